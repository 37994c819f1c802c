// SPDX-License-Identifier: Apache-2.0
#include "tern_directions.h"

#include "dispatch.h"

// So many blocks are made at once: whole vectors of the widest processor.
#define BLOCKS 16
#define WORDS (4 * BLOCKS)

// The words of BLOCKS blocks from block `first` on, in the order of the elements.
// J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, section 3.3.
TERN_INLINE void tern_philox(
    const struct tern_direction *direction, uint32_t first, uint32_t *words) {
  uint32_t c0[BLOCKS], c1[BLOCKS], c2[BLOCKS], c3[BLOCKS];
  for (uint32_t l = 0; l < BLOCKS; l++) {
    c0[l] = first + l;
    c1[l] = direction->tensor;
    c2[l] = direction->query;
    c3[l] = direction->step;
  }
  uint32_t k0 = (uint32_t)direction->key, k1 = (uint32_t)(direction->key >> 32);
  for (int round = 0; round < 10; round++) {
    for (int l = 0; l < BLOCKS; l++) {
      uint64_t p0 = (uint64_t)c0[l] * 0xD2511F53u, p1 = (uint64_t)c2[l] * 0xCD9E8D57u;
      c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ k0;
      c1[l] = (uint32_t)p1;
      c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ k1;
      c3[l] = (uint32_t)p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int l = 0; l < BLOCKS; l++) {
    words[4 * l] = c0[l];
    words[4 * l + 1] = c1[l];
    words[4 * l + 2] = c2[l];
    words[4 * l + 3] = c3[l];
  }
}

TERN_INLINE float tern_with_sign(uint32_t delta, uint32_t word, uint32_t bit) {
  uint32_t bits = delta ^ ((word << (31 - bit)) & 0x80000000u);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

TERN_DISPATCHED void tern_add_signs(
    const struct tern_direction *direction, size_t first, size_t count, float delta, float *y) {
  uint32_t words[WORDS], bits;
  memcpy(&bits, &delta, sizeof bits);
  size_t block = first / 128, element = first % 128;
  while (count > 0) {
    tern_philox(direction, (uint32_t)block, words);
    while (count > 0 && element < 32 * WORDS) {
      uint32_t word = words[element / 32];
      size_t bit = element % 32, here = count < 32 - bit ? count : 32 - bit;
      if (here == 32)
        for (uint32_t k = 0; k < 32; k++) y[k] += tern_with_sign(bits, word, k);
      else
        for (size_t k = 0; k < here; k++)
          y[k] += tern_with_sign(bits, word, (uint32_t)(bit + k));
      y += here, element += here, count -= here;
    }
    block += BLOCKS, element = 0;
  }
}

// ln(x) of a normal x, to 1 unit in the last place or so, for loops that vectorise.
// The polynomial of Cephes' logf (S. Moshier, 1989).
TERN_INLINE float tern_log_one(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
  int32_t e = (int32_t)(bits - 0x3F3504F3u) >> 23;
  bits -= (uint32_t)e << 23;
  float m;
  memcpy(&m, &bits, sizeof m);
  m -= 1.0f;
  float z = m * m, n = (float)e;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  p = p * m * z - n * 2.12194440e-4f - 0.5f * z;
  return m + p + n * 0.693359375f;
}

// The normal deviate of a word, by the inverse of the distribution function: bit 31 is its sign,
// bits 0 to 22 are m, where P(|z| > deviate) = t = (2 m + 1) 2^-24.
// M. Giles, "Approximating the erfinv function", GPU Computing Gems 2, 2011, listing 2, of
// x = 1 - t, which is exact, and so is sqrt: additions and products do the rest.
TERN_INLINE float tern_normal_one(uint32_t word) {
  float t = (float)(int32_t)(2 * (word & 0x7FFFFFu) + 1) * 0x1p-24f;
  float w = -tern_log_one(t * (2.0f - t));
  float a = w - 2.5f;
  float p = 2.81022636e-08f;
  p = p * a + 3.43273939e-07f;
  p = p * a - 3.5233877e-06f;
  p = p * a - 4.39150654e-06f;
  p = p * a + 0.00021858087f;
  p = p * a - 0.00125372503f;
  p = p * a - 0.00417768164f;
  p = p * a + 0.246640727f;
  p = p * a + 1.50140941f;
  float b = sqrtf(w > 5.0f ? w : 5.0f) - 3.0f;
  float q = -0.000200214257f;
  q = q * b + 0.000100950558f;
  q = q * b + 0.00134934322f;
  q = q * b - 0.00367342844f;
  q = q * b + 0.00573950773f;
  q = q * b - 0.0076224613f;
  q = q * b + 0.00943887047f;
  q = q * b + 1.00167406f;
  q = q * b + 2.83297682f;
  float deviate = (w < 5.0f ? p : q) * (1.0f - t) * 1.41421356f;
  return word >> 31 ? -deviate : deviate;
}

TERN_DISPATCHED void tern_normals(size_t count, const uint32_t *words, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = tern_normal_one(words[i]);
}

TERN_DISPATCHED void tern_add_normals(
    const struct tern_direction *direction, size_t first, size_t count, float scale, float *y) {
  uint32_t words[WORDS];
  float deviates[WORDS];
  size_t block = first / 4, element = first % 4;
  while (count > 0) {
    tern_philox(direction, (uint32_t)block, words);
    for (int l = 0; l < WORDS; l++) deviates[l] = tern_normal_one(words[l]);
    size_t here = count < WORDS - element ? count : WORDS - element;
    for (size_t i = 0; i < here; i++) y[i] += scale * deviates[element + i];
    y += here, count -= here;
    block += BLOCKS, element = 0;
  }
}
