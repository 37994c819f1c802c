// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "dispatch.h"
#include "tern_blocks.h"

enum { nf4Block = 64, scaleBlock = 256 };

// Quantiles of the normal distribution, from -1 to 1 with an exact 0: QLoRA, appendix E.
static const float nf4Values[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

TERN_INLINE float largest_magnitude(size_t count, const float *x) {
  float largest = 0;
  for (size_t i = 0; i < count; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
  return largest;
}

TERN_DISPATCHED void tern_quantize_nf4(
    size_t count, const float *x, uint8_t *codes, float *largest) {
  float limits[15];
  for (int k = 0; k < 15; k++) limits[k] = (nf4Values[k] + nf4Values[k + 1]) / 2;
  for (size_t start = 0; start < count; start += nf4Block) {
    const size_t length = count - start < nf4Block ? count - start : nf4Block;
    const float most = largest_magnitude(length, x + start);
    const float divisor = most > 0 ? most : 1;
    uint8_t block[nf4Block] = {0};
    for (size_t i = 0; i < length; i++) {
      const float share = x[start + i] / divisor;
      uint8_t code = 0;
      for (int k = 0; k < 15; k++) code += share > limits[k];
      block[i] = code;
    }
    for (size_t i = 0; i < (length + 1) / 2; i++)
      codes[start / 2 + i] = (uint8_t)(block[2 * i] << 4 | block[2 * i + 1]);
    *largest++ = most;
  }
}

TERN_DISPATCHED void tern_expand_nf4(
    size_t first, size_t count, const uint8_t *codes, const struct tern_nf4_scales *scales,
    float *target) {
  // Both values of a byte at once.
  float pairs[256][2];
  for (int byte = 0; byte < 256; byte++) {
    pairs[byte][0] = nf4Values[byte >> 4];
    pairs[byte][1] = nf4Values[byte & 15];
  }
  const size_t end = first + count;
  for (size_t i = first; i < end;) {
    const size_t block = i / nf4Block;
    const size_t next = (block + 1) * nf4Block < end ? (block + 1) * nf4Block : end;
    const float scale = scales->values[scales->codes[block]] * scales->largest[block / scaleBlock] +
                        scales->offset;
    if (next - i == nf4Block) {
      float values[nf4Block];
      for (size_t j = 0; j < nf4Block / 2; j++)
        memcpy(values + 2 * j, pairs[codes[i / 2 + j]], sizeof pairs[0]);
      for (size_t j = 0; j < nf4Block; j++) target[j] = values[j] * scale;
    } else {
      for (size_t j = i; j < next; j++) target[j - i] = pairs[codes[j / 2]][j % 2] * scale;
    }
    target += next - i;
    i = next;
  }
}

TERN_DISPATCHED void tern_quantize_int8(
    size_t rows, size_t width, const float *x, int8_t *codes, float *largest) {
  for (size_t row = 0; row < rows; row++, x += width, codes += width) {
    const float most = largest_magnitude(width, x);
    const float divisor = most > 0 ? most : 1;
    for (size_t i = 0; i < width; i++) codes[i] = (int8_t)rintf(x[i] / divisor * 127);
    *largest++ = most;
  }
}

TERN_DISPATCHED void tern_expand_int8(
    size_t rows, size_t width, const int8_t *codes, const float *largest, float *target) {
  for (size_t row = 0; row < rows; row++, codes += width, target += width) {
    const float scale = largest[row] / 127;
    for (size_t i = 0; i < width; i++) target[i] = (float)codes[i] * scale;
  }
}

TERN_DISPATCHED void tern_quantize_bf16(size_t count, const float *x, uint16_t *target) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    const uint32_t nearest = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
    target[i] = (uint16_t)((nearest & 0x7FFFu) == 0x7F80u ? nearest - 1 : nearest);
  }
}
