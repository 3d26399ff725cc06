/* Section 5: server variables. */
#include "conformance.h"

static void say_variable(Block *block, Report *report, char *name) {
    static char value[32 * 1024];
    DWORD size = sizeof value;
    say(report, "%s ", name);
    if (TRY(report, block->GetServerVariable(block->ConnID, name, value, &size))) {
        say(report, " ");
        say_quoted(report, value, size == 0 ? 0 : size - 1);
        if (size == 0 || value[size - 1] != '\0' || strlen(value) != size - 1)
            say(report, " WRONG SIZE %u", (unsigned)size);
    }
    say(report, "\n");
}

/* Those that the header X-Names lists. */
static DWORD values(Block *block, Report *report) {
    char names[4096];
    DWORD size = sizeof names;
    if (!block->GetServerVariable(block->ConnID, "HTTP_X_NAMES", names, &size))
        return HSE_STATUS_ERROR;
    for (char *name = strtok(names, " "); name != NULL; name = strtok(NULL, " "))
        say_variable(block, report, name);
    return ANSWER_REPORT;
}

/* What the process or another variable knows. */
static DWORD comparisons(Block *block, Report *report) {
    char pool[256] = "";
    DWORD size = sizeof pool;
    const char *environment = getenv("APP_POOL_ID");
    block->GetServerVariable(block->ConnID, "APP_POOL_ID", pool, &size);
    say(report, "APP_POOL_ID %s\n", environment != NULL && strcmp(environment, pool) == 0 ? "is in the environment" : "differs");
    return ANSWER_REPORT;
}

/* The path as variables and as fields of the block. */
static DWORD paths(Block *block, Report *report) {
    say_variable(block, report, "SCRIPT_NAME");
    say_variable(block, report, "PATH_INFO");
    say_variable(block, report, "PATH_TRANSLATED");
    say_variable(block, report, "SCRIPT_TRANSLATED");
    say(report, "lpszPathInfo "), say_quoted(report, block->lpszPathInfo, strlen(block->lpszPathInfo));
    say(report, "\nlpszPathTranslated "), say_quoted(report, block->lpszPathTranslated, strlen(block->lpszPathTranslated));
    say(report, "\n");
    return ANSWER_REPORT;
}

const Rule variable_rules[] = {
    {"5.2/values", values},
    {"5.2/environment", comparisons},
    {"5.4/paths", paths},
    {NULL, NULL},
};
