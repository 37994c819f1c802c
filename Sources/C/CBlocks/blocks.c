// SPDX-License-Identifier: Apache-2.0
// Block formats as in ggml's ggml-quants.c (dequantize_row_*), written for the vectoriser:
// inner loops of fixed length over bytes, no branches.
#include "tern_blocks.h"

#include <string.h>

#include "dispatch.h"

enum { nibbleBlock = 32, superBlock = 256 };

TERN_INLINE float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

TERN_INLINE uint32_t bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Integer moves and one exact subtraction: no operand is ever a subnormal float, so neither the
// processor's flush-to-zero mode nor its slow path for subnormals matters.
TERN_INLINE float float_of_half(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t normal = magnitude + (112u << 23);
  uint32_t special = magnitude | 0x7f800000u;
  uint32_t subnormal =
      bits_of_float(float_of_bits(magnitude + (113u << 23)) - float_of_bits(113u << 23));
  uint32_t bits = magnitude >= 0x0f800000u ? special : magnitude < (1u << 23) ? subnormal : normal;
  return float_of_bits(sign | bits);
}

TERN_INLINE float load_half(const uint8_t *source) {
  uint16_t half;
  memcpy(&half, source, sizeof half);
  return float_of_half(half);
}

TERN_DISPATCHED void tern_expand_f16(size_t count, const void *source, float *target) {
  const uint8_t *bytes = source;
  for (size_t i = 0; i < count; i++) target[i] = load_half(bytes + 2 * i);
}

TERN_DISPATCHED void tern_expand_bf16(size_t count, const void *source, float *target) {
  const uint8_t *bytes = source;
  for (size_t i = 0; i < count; i++) {
    uint16_t high;
    memcpy(&high, bytes + 2 * i, sizeof high);
    target[i] = float_of_bits((uint32_t)high << 16);
  }
}

// Eight values at a time, at any address: what the vectoriser makes of single bytes is several times
// slower. Macros, as a vector that is an argument would depend on the machine code.
typedef uint8_t bytes8 __attribute__((vector_size(8), aligned(1), may_alias));
typedef int8_t signed_bytes8 __attribute__((vector_size(8), aligned(1), may_alias));
typedef int32_t integers8 __attribute__((vector_size(32)));
typedef float floats8 __attribute__((vector_size(32), aligned(4), may_alias));
#define BYTES(source) __builtin_convertvector(*(const bytes8 *)(source), integers8)
#define SIGNED_BYTES(source) __builtin_convertvector(*(const signed_bytes8 *)(source), integers8)
#define FLOATS(integers) __builtin_convertvector((integers), floats8)
#define AT(target) *(floats8 *)(target)

TERN_DISPATCHED void tern_expand_q4_0(size_t blocks, const void *source, float *restrict target) {
  const uint8_t *block = source;
  for (size_t i = 0; i < blocks; i++, block += 18, target += nibbleBlock) {
    const float d = load_half(block);
    for (int j = 0; j < 16; j += 8) {
      const integers8 pairs = BYTES(block + 2 + j);
      AT(target + j) = FLOATS((pairs & 15) - 8) * d;
      AT(target + 16 + j) = FLOATS((pairs >> 4) - 8) * d;
    }
  }
}

TERN_DISPATCHED void tern_expand_q4_1(size_t blocks, const void *source, float *restrict target) {
  const uint8_t *block = source;
  for (size_t i = 0; i < blocks; i++, block += 20, target += nibbleBlock) {
    const float d = load_half(block), m = load_half(block + 2);
    for (int j = 0; j < 16; j += 8) {
      const integers8 pairs = BYTES(block + 4 + j);
      AT(target + j) = FLOATS(pairs & 15) * d + m;
      AT(target + 16 + j) = FLOATS(pairs >> 4) * d + m;
    }
  }
}

TERN_DISPATCHED void tern_expand_q8_0(size_t blocks, const void *source, float *restrict target) {
  const uint8_t *block = source;
  for (size_t i = 0; i < blocks; i++, block += 34, target += nibbleBlock) {
    const float d = load_half(block);
    for (int j = 0; j < 32; j += 8) AT(target + j) = FLOATS(SIGNED_BYTES(block + 2 + j)) * d;
  }
}

TERN_DISPATCHED void tern_expand_q4_k(size_t blocks, const void *source, float *restrict target) {
  const uint8_t *block = source;
  for (size_t i = 0; i < blocks; i++, block += 144, target += superBlock) {
    const float d = load_half(block), dmin = load_half(block + 2);
    const uint8_t *packed = block + 4, *nibbles = block + 16;
    // Eight 6-bit scales and minima: four whole in their low bits, four in nibbles whose upper
    // two bits are the spare bits of the first ones.
    float scale[8], minimum[8];
    for (int j = 0; j < 4; j++) {
      scale[j] = d * (float)(packed[j] & 63);
      minimum[j] = dmin * (float)(packed[j + 4] & 63);
      scale[j + 4] = d * (float)((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
      minimum[j + 4] = dmin * (float)(packed[j + 8] >> 4 | (packed[j + 4] >> 6) << 4);
    }
    for (int g = 0; g < 4; g++) {
      float *low = target + 64 * g, *high = low + 32;
      for (int l = 0; l < 32; l += 8) {
        const integers8 pairs = BYTES(nibbles + 32 * g + l);
        AT(low + l) = scale[2 * g] * FLOATS(pairs & 15) - minimum[2 * g];
        AT(high + l) = scale[2 * g + 1] * FLOATS(pairs >> 4) - minimum[2 * g + 1];
      }
    }
  }
}

TERN_DISPATCHED void tern_expand_q6_k(size_t blocks, const void *source, float *restrict target) {
  const uint8_t *block = source;
  for (size_t i = 0; i < blocks; i++, block += 210, target += superBlock) {
    const float d = load_half(block + 208);
    for (int half = 0; half < 2; half++) {
      const uint8_t *low = block + 64 * half, *high = block + 128 + 32 * half;
      const uint8_t *scales = block + 192 + 8 * half;
      float *out = target + 128 * half;
      // 16 values share a scale; `part` is which of the two 16s of each quarter.
      for (int part = 0; part < 2; part++) {
        float scale[4];
        for (int k = 0; k < 4; k++) scale[k] = d * (float)(int8_t)scales[part + 2 * k];
        for (int l = 16 * part; l < 16 * part + 16; l += 8) {
          const integers8 first = BYTES(low + l), second = BYTES(low + l + 32);
          const integers8 upper = BYTES(high + l);
          AT(out + l) = scale[0] * FLOATS(((first & 15) | (upper & 3) << 4) - 32);
          AT(out + l + 32) = scale[1] * FLOATS(((second & 15) | (upper >> 2 & 3) << 4) - 32);
          AT(out + l + 64) = scale[2] * FLOATS((first >> 4 | (upper >> 4 & 3) << 4) - 32);
          AT(out + l + 96) = scale[3] * FLOATS((second >> 4 | upper >> 6 << 4) - 32);
        }
      }
    }
  }
}

TERN_DISPATCHED size_t tern_first_not_finite(size_t count, const float *values) {
  enum { stretch = 4096 };
  for (size_t start = 0; start < count; start += stretch) {
    const size_t end = count - start < stretch ? count : start + stretch;
    uint32_t found = 0;
    for (size_t i = start; i < end; i++)
      found |= (bits_of_float(values[i]) & 0x7f800000u) == 0x7f800000u;
    if (!found) continue;
    for (size_t i = start; i < end; i++)
      if ((bits_of_float(values[i]) & 0x7f800000u) == 0x7f800000u) return i;
  }
  return count;
}
