// SPDX-License-Identifier: Apache-2.0
#include "tern_kernels.h"

#include "dispatch.h"

TERN_DISPATCHED void tern_axpy(size_t count, float a, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}

TERN_DISPATCHED void tern_add_weighted(size_t count, double weight, const float *restrict x,
                                       double *restrict sums) {
  for (size_t i = 0; i < count; i++) sums[i] += weight * (double)x[i];
}

TERN_DISPATCHED void tern_quotients(size_t count, const double *restrict sums, double divisor,
                                    float *restrict y) {
  for (size_t i = 0; i < count; i++) y[i] = (float)(sums[i] / divisor);
}

TERN_DISPATCHED void tern_step(size_t count, double rate, const float *restrict x,
                               float *restrict y) {
  for (size_t i = 0; i < count; i++) y[i] = (float)((double)y[i] + rate * (double)x[i]);
}
