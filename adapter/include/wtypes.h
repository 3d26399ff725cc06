/* All that this folder offers of wtypes.h is in windows.h. */
#include "windows.h"
