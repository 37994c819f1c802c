// SPDX-License-Identifier: Apache-2.0
// Random directions by Philox4x32-10: any element of any tensor's follows from its address alone.
#ifndef TERN_DIRECTIONS_H
#define TERN_DIRECTIONS_H

#include <stddef.h>
#include <stdint.h>

/// Which tensor's part of which direction: the key, and the words 1 to 3 of the counter. Word 0 is
/// the number of the block in the tensor.
struct tern_direction {
  uint64_t key;
  uint32_t tensor, query, step;
};

/// y[i] += delta, or -= delta where the sign of element first + i of the tensor is negative: bit k of
/// word j of block b is set where that of element 128 b + 32 j + k is.
void tern_add_signs(
    const struct tern_direction *direction, size_t first, size_t count, float delta, float *y);

/// y[i] += scale z, product and sum each rounded, where z is the normal deviate of element first + i
/// of the tensor: word j of block b gives that of element 4 b + j.
void tern_add_normals(
    const struct tern_direction *direction, size_t first, size_t count, float scale, float *y);

/// y[i] = the normal deviate that words[i] gives.
void tern_normals(size_t count, const uint32_t *words, float *y);

#endif
