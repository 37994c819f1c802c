// SPDX-License-Identifier: Apache-2.0
// Vector kernels. Matrices are row-major; no pointer may overlap another unless said.
#ifndef TERN_KERNELS_H
#define TERN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/// y[i] += a * x[i], product and sum each rounded.
void tern_axpy(size_t count, float a, const float *x, float *y);

#endif
