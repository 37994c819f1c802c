// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "tern_platform.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>

void tern_give_freed_memory_back(void) {
#ifdef M_MMAP_THRESHOLD
  // A threshold that is set is not raised by the blocks that it has seen.
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
  mallopt(M_ARENA_MAX, 2);
#endif
}

void tern_keep_freed_memory(void) {
#ifdef M_MMAP_THRESHOLD
  // The largest threshold there is; memory that the system gives has to be cleared first.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  // Pools of other threads give whole heaps back whatever the threshold.
  mallopt(M_ARENA_MAX, 1);
#endif
}

void tern_start_writing(int descriptor, long long offset, long long count) {
#ifdef SYNC_FILE_RANGE_WRITE
  sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
#endif
}

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

double tern_processor_seconds(bool with_children) {
  struct rusage own = {0};
  struct rusage children = {0};
  getrusage(RUSAGE_SELF, &own);
  if (with_children) getrusage(RUSAGE_CHILDREN, &children);
  return seconds(own.ru_utime) + seconds(own.ru_stime) + seconds(children.ru_utime) +
         seconds(children.ru_stime);
}
