// SPDX-License-Identifier: Apache-2.0
#include "tern_kernels.h"

#include "dispatch.h"

TERN_DISPATCHED void tern_axpy(size_t count, float a, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}
