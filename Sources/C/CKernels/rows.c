// SPDX-License-Identifier: Apache-2.0
#include "dispatch.h"
#include "tern_model.h"

TERN_DISPATCHED void tern_copy_rows(
    size_t rows, size_t width, float a, const float *x, size_t x_stride, float *y,
    size_t y_stride) {
  for (size_t row = 0; row < rows; row++, x += x_stride, y += y_stride)
    for (size_t i = 0; i < width; i++) y[i] = a * x[i];
}

TERN_DISPATCHED void tern_add_rows(
    size_t rows, size_t width, const float *x, size_t x_stride, float *y, size_t y_stride) {
  for (size_t row = 0; row < rows; row++, x += x_stride, y += y_stride)
    for (size_t i = 0; i < width; i++) y[i] += x[i];
}

TERN_DISPATCHED void tern_add_to_rows(size_t rows, size_t width, const float *x, float *y) {
  for (size_t row = 0; row < rows; row++, y += width)
    for (size_t i = 0; i < width; i++) y[i] += x[i];
}

void tern_gather_rows(
    size_t count, size_t width, const int32_t *indices, const float *x, float *y) {
  for (size_t row = 0; row < count; row++, y += width)
    memcpy(y, x + (size_t)indices[row] * width, width * sizeof(float));
}

TERN_DISPATCHED void tern_gather_add_rows(
    size_t count, size_t width, const int32_t *indices, const float *x, float *y) {
  for (size_t row = 0; row < count; row++, y += width) {
    const float *from = x + (size_t)indices[row] * width;
    for (size_t i = 0; i < width; i++) y[i] += from[i];
  }
}

void tern_scatter_rows(
    size_t count, size_t width, const int32_t *indices, const float *x, float *y) {
  for (size_t row = 0; row < count; row++, x += width)
    memcpy(y + (size_t)indices[row] * width, x, width * sizeof(float));
}

TERN_DISPATCHED void tern_rotate(
    size_t rows, size_t heads, size_t half, size_t stride, const int32_t *positions,
    const float *cosines, const float *sines, int backward, float *x) {
  float sign = backward ? -1.0f : 1.0f;
  for (size_t row = 0; row < rows; row++, x += stride) {
    const float *c = cosines + (size_t)positions[row] * half;
    const float *s = sines + (size_t)positions[row] * half;
    for (size_t head = 0; head < heads; head++) {
      float *low = x + head * 2 * half, *high = low + half;
      for (size_t i = 0; i < half; i++) {
        float a = low[i], b = high[i], sine = sign * s[i];
        low[i] = a * c[i] - b * sine;
        high[i] = b * c[i] + a * sine;
      }
    }
  }
}

TERN_DISPATCHED void tern_adamw(
    size_t count, float learning_rate, float decay, float beta1, float beta2, float epsilon,
    double correction1, double correction2, const float *gradient, float *first, float *second,
    float *parameters) {
  // As torch.optim.AdamW: p -= lr decay p; p -= lr/c1 m / (sqrt(v)/sqrt(c2) + epsilon).
  float keep = (float)(1.0 - (double)learning_rate * decay);
  float rate = (float)(learning_rate / correction1);
  float root = (float)sqrt(correction2);
  for (size_t i = 0; i < count; i++) {
    float g = gradient[i];
    float m = first[i] + (1.0f - beta1) * (g - first[i]);
    float v = beta2 * second[i] + (1.0f - beta2) * g * g;
    first[i] = m;
    second[i] = v;
    parameters[i] = parameters[i] * keep - rate * (m / (sqrtf(v) / root + epsilon));
  }
}
