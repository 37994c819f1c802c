// SPDX-License-Identifier: Apache-2.0
#include "dispatch.h"
#include "tern_model.h"

// The columns that a row sees: lo <= c < hi.
TERN_INLINE void visible(
    const struct tern_score_rows *shape, size_t row, int32_t *lo, int32_t *hi) {
  size_t query = shape->first_query + row / shape->group;
  size_t first = query + 1 > shape->window ? query + 1 - shape->window : 0;
  *lo = first > shape->first_key ? (int32_t)(first - shape->first_key) : 0;
  *hi = (int32_t)(query + 1 - shape->first_key);
}

TERN_INLINE size_t statistic(const struct tern_score_rows *shape, size_t row) {
  return row / shape->group * shape->statistic_stride + row % shape->group;
}

TERN_DISPATCHED void tern_softmax(
    const struct tern_score_rows *shape, float *scores, float *maxima, float *reciprocals) {
  int32_t width = (int32_t)shape->stride;
  for (size_t row = 0; row < shape->rows; row++, scores += width) {
    int32_t lo, hi;
    visible(shape, row, &lo, &hi);
    float largest[LANES], sums[LANES] = {0};
    for (int l = 0; l < LANES; l++) largest[l] = -INFINITY;
    for (int32_t c = 0; c < width; c += LANES)
      for (int l = 0; l < LANES; l++) {
        float s = ((c + l >= lo) & (c + l < hi)) ? scores[c + l] : -INFINITY;
        largest[l] = s > largest[l] ? s : largest[l];
      }
    float top = tern_lane_max(largest);
    for (int32_t c = 0; c < width; c += LANES)
      for (int l = 0; l < LANES; l++) {
        float e = tern_exp_one(scores[c + l] - top);
        e = ((c + l >= lo) & (c + l < hi)) ? e : 0.0f;
        scores[c + l] = e;
        sums[l] += e;
      }
    float reciprocal = 1.0f / tern_lane_sum(sums);
    for (int32_t c = 0; c < width; c++) scores[c] *= reciprocal;
    maxima[statistic(shape, row)] = top;
    reciprocals[statistic(shape, row)] = reciprocal;
  }
}

TERN_DISPATCHED void tern_softmax_backward(
    const struct tern_score_rows *shape, const float *maxima, const float *reciprocals,
    const float *dots, float *scores, float *gradients) {
  int32_t width = (int32_t)shape->stride;
  for (size_t row = 0; row < shape->rows; row++, scores += width, gradients += width) {
    int32_t lo, hi;
    visible(shape, row, &lo, &hi);
    size_t index = statistic(shape, row);
    float top = maxima[index], reciprocal = reciprocals[index], dot = dots[index];
    for (int32_t c = 0; c < width; c++) {
      int seen = (c >= lo) & (c < hi);
      float p = tern_exp_one(scores[c] - top) * reciprocal;
      float d = p * (gradients[c] - dot);
      scores[c] = seen ? p : 0.0f;
      gradients[c] = seen ? d : 0.0f;
    }
  }
}
