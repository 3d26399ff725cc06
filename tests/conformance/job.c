/* What rules about asynchronous operations have in common. */
#include "conformance.h"

#ifndef _WIN32
#include <fcntl.h>
#endif

static Job job;
BYTE job_buffer[64 * 1024];

Job *begin_job(Block *block, Report *report, void (*then)(Job *job, DWORD bytes, DWORD error)) {
    memset(&job, 0, sizeof job);
    job.block = block;
    job.report = report;
    job.then = then;
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)completed, NULL, (LPDWORD)&job);
    return &job;
}

void wait_until(LONG *number, LONG least) {
    for (int waited = 0; waited < 30000 && InterlockedExchangeAdd(number, 0) < least; waited++)
        Sleep(1);
}

void WINAPI completed(Block *block, PVOID context, DWORD bytes, DWORD error) {
    Job *mine = context;
    if (mine != &job)
        abort();
    wait_until(&mine->started, 1);
    say(mine->report, "completed %u error %u%s\n", (unsigned)bytes, (unsigned)error, block == mine->block ? "" : " WRONG BLOCK");
    InterlockedIncrement(&mine->completions);
    mine->then(mine, bytes, error);
}

void end_job(Job *mine, DWORD bytes, DWORD error) {
    Block *block = mine->block;
    (void)bytes, (void)error;
    end_report();
    block->ServerSupportFunction(block->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

void answer_job(Job *mine, DWORD bytes, DWORD error) {
    answer_report(mine->block, mine->report);
    end_job(mine, bytes, error);
}

BOOL start_write(Job *mine, const void *bytes, DWORD count) {
    return mine->block->WriteClient(mine->block->ConnID, (LPVOID)bytes, &count, HSE_IO_ASYNC);
}

BOOL start_read(Job *mine, DWORD count) {
    DWORD flags = HSE_IO_ASYNC;
    return mine->block->ServerSupportFunction(mine->block->ConnID, HSE_REQ_ASYNC_READ_CLIENT, job_buffer, &count, &flags);
}

HANDLE open_file(Block *block, const char *url) {
    char path[MAX_PATH];
    DWORD size = sizeof path;
    strcpy(path, url);
    if (!block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH, path, &size, NULL))
        return INVALID_HANDLE_VALUE;
#ifdef _WIN32
    return CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                       FILE_FLAG_SEQUENTIAL_SCAN | FILE_FLAG_OVERLAPPED, NULL);
#else
    return (HANDLE)(intptr_t)open(path, O_RDONLY | O_CLOEXEC);
#endif
}

void close_file(HANDLE file) {
#ifdef _WIN32
    CloseHandle(file);
#else
    close((int)(intptr_t)file);
#endif
}
