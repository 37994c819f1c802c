// SPDX-License-Identifier: Apache-2.0
#include "dispatch.h"
#include "tern_model.h"

TERN_DISPATCHED void tern_rms_norm_again(
    size_t rows, size_t groups, size_t width, size_t x_stride, size_t y_stride, const float *x,
    const float *w, const float *r, float *y) {
  for (size_t row = 0; row < rows; row++, x += x_stride, y += y_stride)
    for (size_t group = 0; group < groups; group++) {
      const float *from = x + group * width;
      float *to = y + group * width, scale = *r++;
      for (size_t i = 0; i < width; i++) to[i] = from[i] * scale * w[i];
    }
}

TERN_DISPATCHED void tern_rms_norm(
    size_t rows, size_t groups, size_t width, size_t x_stride, size_t y_stride, float epsilon,
    const float *x, const float *w, float *r, float *y) {
  for (size_t row = 0; row < rows; row++, x += x_stride, y += y_stride)
    for (size_t group = 0; group < groups; group++) {
      const float *from = x + group * width;
      float *to = y + group * width, lanes[LANES] = {0};
      size_t i = 0;
      for (; i + LANES <= width; i += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] += from[i + l] * from[i + l];
      for (int l = 0; i < width; i++, l++) lanes[l] += from[i] * from[i];
      float scale = 1.0f / sqrtf(tern_lane_sum(lanes) / (float)width + epsilon);
      *r++ = scale;
      for (i = 0; i < width; i++) to[i] = from[i] * scale * w[i];
    }
}

TERN_DISPATCHED void tern_rms_norm_backward(
    size_t rows, size_t groups, size_t width, size_t x_stride, size_t dy_stride, size_t dx_stride,
    int adding, const float *x, const float *w, const float *r, const float *dy, float *dx) {
  for (size_t row = 0; row < rows; row++, x += x_stride, dy += dy_stride, dx += dx_stride)
    for (size_t group = 0; group < groups; group++) {
      const float *from = x + group * width, *d = dy + group * width;
      float *to = dx + group * width, lanes[LANES] = {0}, scale = *r++;
      size_t i = 0;
      for (; i + LANES <= width; i += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] += d[i + l] * w[i + l] * from[i + l];
      for (int l = 0; i < width; i++, l++) lanes[l] += d[i] * w[i] * from[i];
      float mean = tern_lane_sum(lanes) / (float)width * scale * scale * scale;
      if (adding)
        for (i = 0; i < width; i++) to[i] += d[i] * w[i] * scale - from[i] * mean;
      else
        for (i = 0; i < width; i++) to[i] = d[i] * w[i] * scale - from[i] * mean;
    }
}

TERN_DISPATCHED void tern_layer_norm_again(
    size_t rows, size_t width, const float *x, const float *w, const float *b,
    const float *moments, float *y) {
  for (size_t row = 0; row < rows; row++, x += width, y += width) {
    float mean = *moments++, scale = *moments++;
    for (size_t i = 0; i < width; i++) y[i] = (x[i] - mean) * scale * w[i] + b[i];
  }
}

TERN_DISPATCHED void tern_layer_norm(
    size_t rows, size_t width, float epsilon, const float *x, const float *w, const float *b,
    float *moments, float *y) {
  for (size_t row = 0; row < rows; row++, x += width, y += width) {
    float sums[LANES] = {0}, squares[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
      for (int l = 0; l < LANES; l++) sums[l] += x[i + l];
    for (int l = 0; i < width; i++, l++) sums[l] += x[i];
    float mean = tern_lane_sum(sums) / (float)width;
    for (i = 0; i + LANES <= width; i += LANES)
      for (int l = 0; l < LANES; l++) squares[l] += (x[i + l] - mean) * (x[i + l] - mean);
    for (int l = 0; i < width; i++, l++) squares[l] += (x[i] - mean) * (x[i] - mean);
    float scale = 1.0f / sqrtf(tern_lane_sum(squares) / (float)width + epsilon);
    *moments++ = mean;
    *moments++ = scale;
    for (i = 0; i < width; i++) y[i] = (x[i] - mean) * scale * w[i] + b[i];
  }
}

TERN_DISPATCHED void tern_layer_norm_backward(
    size_t rows, size_t width, const float *x, const float *w, const float *moments,
    const float *dy, float *dx) {
  for (size_t row = 0; row < rows; row++, x += width, dy += width, dx += width) {
    float mean = *moments++, scale = *moments++, sums[LANES] = {0}, dots[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
      for (int l = 0; l < LANES; l++) {
        float d = dy[i + l] * w[i + l];
        sums[l] += d;
        dots[l] += d * ((x[i + l] - mean) * scale);
      }
    for (int l = 0; i < width; i++, l++) {
      float d = dy[i] * w[i];
      sums[l] += d;
      dots[l] += d * ((x[i] - mean) * scale);
    }
    float sum = tern_lane_sum(sums) / (float)width, dot = tern_lane_sum(dots) / (float)width;
    for (i = 0; i < width; i++)
      dx[i] += (dy[i] * w[i] - sum - (x[i] - mean) * scale * dot) * scale;
  }
}
