// SPDX-License-Identifier: Apache-2.0
// Vector kernels. Matrices are row-major; no pointer may overlap another unless said.
#ifndef TERN_KERNELS_H
#define TERN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/// y[i] += a * x[i], product and sum each rounded.
void tern_axpy(size_t count, float a, const float *x, float *y);

/// sums[i] += weight * x[i] in double precision, product and sum each rounded.
void tern_add_weighted(size_t count, double weight, const float *x, double *sums);

/// y[i] = sums[i] / divisor, rounded to double and then to float.
void tern_quotients(size_t count, const double *sums, double divisor, float *y);

/// y[i] += rate * x[i] in double precision, rounded to float at the end.
void tern_step(size_t count, double rate, const float *x, float *y);

#endif
