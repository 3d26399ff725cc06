/* All that this folder offers of windef.h is in windows.h. */
#include "windows.h"
