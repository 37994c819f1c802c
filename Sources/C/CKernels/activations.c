// SPDX-License-Identifier: Apache-2.0
#include "dispatch.h"
#include "tern_model.h"

TERN_DISPATCHED void tern_swiglu(size_t rows, size_t width, const float *gate_up, float *y) {
  for (size_t row = 0; row < rows; row++, gate_up += 2 * width, y += width)
    for (size_t i = 0; i < width; i++) {
      float gate = gate_up[i];
      y[i] = gate / (1.0f + tern_exp_one(-gate)) * gate_up[width + i];
    }
}

TERN_DISPATCHED void tern_swiglu_backward(
    size_t rows, size_t width, const float *dy, float *gate_up) {
  for (size_t row = 0; row < rows; row++, gate_up += 2 * width, dy += width) {
    float *gates = gate_up, *ups = gate_up + width;
    for (size_t i = 0; i < width; i++) {
      // d silu(g) / dg = s (1 + g (1 - s)) with s = 1 / (1 + e^-g).
      float gate = gates[i], up = ups[i], d = dy[i];
      float s = 1.0f / (1.0f + tern_exp_one(-gate));
      gates[i] = d * up * (s * (1.0f + gate * (1.0f - s)));
      ups[i] = d * (gate * s);
    }
  }
}

// sqrt(2 / pi) and the factor of the cube in the tanh form of GELU.
#define TANH_SCALE 0.7978845608028654f
#define CUBE_SCALE 0.044715f

// 0.5 (1 + tanh(u)) = 1 / (1 + e^-2u) with u = sqrt(2/pi) (x + 0.044715 x^3).
TERN_INLINE float tern_gelu_tanh_gate(float x) {
  float u = TANH_SCALE * (x + CUBE_SCALE * x * x * x);
  return 1.0f / (1.0f + tern_exp_one(-2.0f * u));
}

TERN_DISPATCHED void tern_gelu_tanh(size_t count, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = x[i] * tern_gelu_tanh_gate(x[i]);
}

TERN_DISPATCHED void tern_gelu_tanh_backward(size_t count, const float *dy, float *x) {
  for (size_t i = 0; i < count; i++) {
    // d (x s) / dx = s + x s (1 - s) 2 du/dx with s the gate.
    float s = tern_gelu_tanh_gate(x[i]);
    float slope = 2.0f * TANH_SCALE * (1.0f + 3.0f * CUBE_SCALE * x[i] * x[i]);
    x[i] = dy[i] * (s + x[i] * (s * (1.0f - s)) * slope);
  }
}

// The normal distribution's share below x, 0.5 (1 + erf(x / sqrt(2))), to 1.5e-7 / 2.
// M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 1964, formula 7.1.26.
TERN_INLINE float tern_normal_share(float x) {
  float z = fabsf(x) * 0.7071067811865476f;
  float t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  float tail = 0.5f * (p * t) * tern_exp_one(-(z * z));
  return x < 0.0f ? tail : 1.0f - tail;
}

TERN_DISPATCHED void tern_gelu(size_t count, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = x[i] * tern_normal_share(x[i]);
}

TERN_DISPATCHED void tern_gelu_backward(size_t count, const float *dy, float *x) {
  for (size_t i = 0; i < count; i++) {
    // d (x P(x)) / dx = P(x) + x p(x) with the normal density p(x) = e^(-x^2 / 2) / sqrt(2 pi).
    float density = 0.3989422804014327f * tern_exp_one(-0.5f * x[i] * x[i]);
    x[i] = dy[i] * (tern_normal_share(x[i]) + x[i] * density);
  }
}

TERN_DISPATCHED void tern_relu(size_t count, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

TERN_DISPATCHED void tern_relu_backward(size_t count, const float *dy, float *x) {
  for (size_t i = 0; i < count; i++) x[i] = x[i] > 0.0f ? dy[i] : 0.0f;
}
