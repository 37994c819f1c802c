// SPDX-License-Identifier: Apache-2.0
#include "dispatch.h"
#include "tern_model.h"

TERN_DISPATCHED void tern_exp(size_t count, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = tern_exp_one(x[i]);
}

double tern_log(double x) {
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
  int64_t e = (bits - 0x3FE6A09E667F3BCDll) >> 52;
  bits -= (int64_t)((uint64_t)e << 52);
  double m;
  memcpy(&m, &bits, sizeof m);
  // ln(m) = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...), |s| < 0.172.
  double s = (m - 1) / (m + 1), z = s * s, series = 0;
  for (int k = 23; k >= 3; k -= 2) series = (series + 1.0 / k) * z;
  return (double)e * 0x1.62e42fefa39efp-1 + 2 * (s + s * series);
}

TERN_DISPATCHED double tern_sum_of_squares(size_t count, const float *x) {
  double lanes[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int l = 0; l < LANES; l++) lanes[l] += (double)x[i + l] * x[i + l];
  for (int l = 0; i < count; i++, l++) lanes[l] += (double)x[i] * x[i];
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

TERN_DISPATCHED int tern_all_finite(size_t count, const float *x) {
  // A float is infinite or not a number exactly if all bits of its exponent are set.
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bad |= (bits & 0x7F800000u) == 0x7F800000u;
  }
  return !bad;
}

TERN_DISPATCHED int tern_all_zero(size_t count, const float *x) {
  // All bits but the sign's.
  uint32_t any = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    any |= bits & 0x7FFFFFFFu;
  }
  return !any;
}

TERN_DISPATCHED void tern_scale(size_t count, float a, float *x) {
  for (size_t i = 0; i < count; i++) x[i] *= a;
}

TERN_DISPATCHED void tern_row_dots(
    size_t rows, size_t width, const float *x, const float *y, float *out) {
  for (size_t row = 0; row < rows; row++, x += width, y += width) {
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
      for (int l = 0; l < LANES; l++) lanes[l] += x[i + l] * y[i + l];
    for (int l = 0; i < width; i++, l++) lanes[l] += x[i] * y[i];
    out[row] = tern_lane_sum(lanes);
  }
}

TERN_DISPATCHED void tern_log_sum_exp(
    size_t count, const float *logits, float *maximum, double *sum) {
  float largest[LANES];
  for (int l = 0; l < LANES; l++) largest[l] = -INFINITY;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int l = 0; l < LANES; l++)
      largest[l] = logits[i + l] > largest[l] ? logits[i + l] : largest[l];
  for (int l = 0; i < count; i++, l++) largest[l] = logits[i] > largest[l] ? logits[i] : largest[l];
  float top = tern_lane_max(largest);
  // Short runs in single precision, their sums in double: fast, and exact enough for any vocabulary.
  double total = 0;
  for (size_t start = 0; start < count; start += 1024) {
    size_t end = start + 1024 < count ? start + 1024 : count;
    float lanes[LANES] = {0};
    for (i = start; i + LANES <= end; i += LANES)
      for (int l = 0; l < LANES; l++) lanes[l] += tern_exp_one(logits[i + l] - top);
    for (int l = 0; i < end; i++, l++) lanes[l] += tern_exp_one(logits[i] - top);
    total += tern_lane_sum(lanes);
  }
  *maximum = top;
  *sum = total;
}

TERN_DISPATCHED void tern_softmax_gradient(
    size_t count, float maximum, double sum, double weight, float *logits) {
  float factor = (float)(weight / sum);
  for (size_t i = 0; i < count; i++) logits[i] = factor * tern_exp_one(logits[i] - maximum);
}

TERN_DISPATCHED size_t tern_index_of(size_t count, float value, const float *x) {
  enum { stretch = 1024 };
  for (size_t start = 0; start < count; start += stretch) {
    size_t end = count - start < stretch ? count : start + stretch;
    int found = 0;
    for (size_t i = start; i < end; i++) found |= x[i] == value;
    if (!found) continue;
    for (size_t i = start; i < end; i++)
      if (x[i] == value) return i;
  }
  return count;
}
