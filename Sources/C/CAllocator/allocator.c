// SPDX-License-Identifier: Apache-2.0
#include "tern_allocator.h"

#include <malloc.h>

void tern_give_freed_memory_back(void) {
#ifdef M_MMAP_THRESHOLD
  // A threshold that is set is not raised by the blocks that it has seen.
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
  mallopt(M_ARENA_MAX, 2);
#endif
}
