// SPDX-License-Identifier: Apache-2.0
#include "tern_kernels.h"

// One source, three machine codes; the loader picks the widest that the processor has.
#if defined(__x86_64__)
#define TERN_DISPATCHED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TERN_DISPATCHED
#endif

TERN_DISPATCHED void tern_axpy(size_t count, float a, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}
