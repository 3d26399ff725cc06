/* All that this folder offers of winbase.h is in windows.h. */
#include "windows.h"
