// SPDX-License-Identifier: Apache-2.0
// What every kernel shares: one source, three machine codes, the same bits from each.
//
// Products and sums are rounded one by one (-ffp-contract=off). A sum over many values is kept in
// LANES partial sums, value i in lane i % LANES, which a fixed tree adds up at the end: so the
// order does not depend on how wide the processor's vectors are.
#ifndef TERN_DISPATCH_H
#define TERN_DISPATCH_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The loader picks the widest code that the processor has.
// Not under the thread sanitizer, which cannot follow what runs before it is set up.
#if defined(__x86_64__) && !__has_feature(thread_sanitizer)
#define TERN_DISPATCHED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TERN_DISPATCHED
#endif

#define TERN_INLINE static inline __attribute__((always_inline))
#define LANES 16

TERN_INLINE float tern_lane_sum(float *lanes) {
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

TERN_INLINE float tern_lane_max(float *lanes) {
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] = lanes[l] > lanes[l + half] ? lanes[l] : lanes[l + half];
  return lanes[0];
}


// e^x to 2 units in the last place; 0 below -87, e^88 above 88; for loops that vectorise.
// Range reduction to |r| <= ln(2)/2 and the polynomial of Cephes' expf (S. Moshier, 1989).
TERN_INLINE float tern_exp_one(float x) {
  const float shift = 12582912.0f;  // adding 1.5 * 2^23 rounds to the nearest integer
  float clamped = x > 88.0f ? 88.0f : x;
  clamped = clamped < -87.0f ? -87.0f : clamped;
  float shifted = clamped * 1.44269504088896341f + shift;
  float n = shifted - shift;
  float r = clamped - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (int32_t)((uint32_t)(bits + 127) << 23);
  float power;
  memcpy(&power, &bits, sizeof power);
  return x < -87.0f ? 0.0f : p * power;
}

#endif
