// SPDX-License-Identifier: Apache-2.0
// The kernels of a decoder and of its optimizer. Matrices are row-major; `stride` is the distance
// of two rows; no pointer may overlap another unless said.
#ifndef TERN_MODEL_H
#define TERN_MODEL_H

#include <stddef.h>
#include <stdint.h>

/// y[i] = e^x[i]; 0 for x < -87, e^88 for x > 88. y may be x.
void tern_exp(size_t count, const float *x, float *y);

/// The natural logarithm of a positive, normal x, by arithmetic alone: the same bits everywhere.
double tern_log(double x);

/// The sum of x[i]^2 in double precision.
double tern_sum_of_squares(size_t count, const float *x);

/// 1 if no x[i] is infinite or not a number, else 0.
int tern_all_finite(size_t count, const float *x);

/// 1 if every x[i] is 0, of either sign, else 0.
int tern_all_zero(size_t count, const float *x);

/// The first i with x[i] == value; `count` if there is none.
size_t tern_index_of(size_t count, float value, const float *x);

/// x[i] *= a.
void tern_scale(size_t count, float a, float *x);

/// Every row of y = a times the same row of x; strides may differ.
void tern_copy_rows(
    size_t rows, size_t width, float a, const float *x, size_t x_stride, float *y, size_t y_stride);

/// Every row of y += the same row of x; strides may differ.
void tern_add_rows(
    size_t rows, size_t width, const float *x, size_t x_stride, float *y, size_t y_stride);

/// Every row of y += x.
void tern_add_to_rows(size_t rows, size_t width, const float *x, float *y);

/// Row i of y = row indices[i] of x.
void tern_gather_rows(size_t count, size_t width, const int32_t *indices, const float *x, float *y);

/// Row i of y += row indices[i] of x.
void tern_gather_add_rows(
    size_t count, size_t width, const int32_t *indices, const float *x, float *y);

/// Row indices[i] of y = row i of x, for distinct indices.
void tern_scatter_rows(
    size_t count, size_t width, const int32_t *indices, const float *x, float *y);

/// y = x w for x of `rows` rows and `depth` columns and w of `columns` columns, each sum in the order of
/// its terms: the same bits from every processor, which no BLAS promises.
void tern_ordered_product(
    size_t rows, size_t depth, size_t columns, const float *x, const float *w, float *y);

/// out[i] = the dot product of row i of x and row i of y.
void tern_row_dots(size_t rows, size_t width, const float *x, const float *y, float *out);

/// y = x r w with r = 1 / sqrt(mean(x^2) + epsilon), for each of `groups` slices of every row.
/// r has rows * groups values. y may be x.
void tern_rms_norm(
    size_t rows, size_t groups, size_t width, size_t x_stride, size_t y_stride, float epsilon,
    const float *x, const float *w, float *r, float *y);

/// y = x r w with a known r.
void tern_rms_norm_again(
    size_t rows, size_t groups, size_t width, size_t x_stride, size_t y_stride, const float *x,
    const float *w, const float *r, float *y);

/// dx = adding * dx + r w dy - x r^3 mean(w dy x). dx may be dy.
void tern_rms_norm_backward(
    size_t rows, size_t groups, size_t width, size_t x_stride, size_t dy_stride, size_t dx_stride,
    int adding, const float *x, const float *w, const float *r, const float *dy, float *dx);

/// y = (x - m) r w + b with m = mean(x) and r = 1 / sqrt(mean((x - m)^2) + epsilon), row by row.
/// moments has m and r of each row, one after the other.
void tern_layer_norm(
    size_t rows, size_t width, float epsilon, const float *x, const float *w, const float *b,
    float *moments, float *y);

/// y = (x - m) r w + b with known m and r.
void tern_layer_norm_again(
    size_t rows, size_t width, const float *x, const float *w, const float *b,
    const float *moments, float *y);

/// dx += r (w dy - mean(w dy) - n mean(w dy n)) with n = (x - m) r.
void tern_layer_norm_backward(
    size_t rows, size_t width, const float *x, const float *w, const float *moments,
    const float *dy, float *dx);

/// Turns the pairs (x[i], x[i + half]) of each head by the angle of the row's position, or back.
/// The tables have a row of `half` values for each position.
void tern_rotate(
    size_t rows, size_t heads, size_t half, size_t stride, const int32_t *positions,
    const float *cosines, const float *sines, int backward, float *x);

/// y = silu(gate) * up; a row of gate_up is `width` gates, then `width` ups.
void tern_swiglu(size_t rows, size_t width, const float *gate_up, float *y);

/// Replaces gates and ups by their gradients, given dy.
void tern_swiglu_backward(size_t rows, size_t width, const float *dy, float *gate_up);

/// GELU with tanh: y = x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
void tern_gelu_tanh(size_t count, const float *x, float *y);

/// Replaces x by its gradient, given dy.
void tern_gelu_tanh_backward(size_t count, const float *dy, float *x);

/// GELU: y = x / 2 (1 + erf(x / sqrt(2))).
void tern_gelu(size_t count, const float *x, float *y);

/// Replaces x by its gradient, given dy.
void tern_gelu_backward(size_t count, const float *dy, float *x);

/// y = x where x is positive, else 0.
void tern_relu(size_t count, const float *x, float *y);

/// Replaces x by its gradient, given dy.
void tern_relu_backward(size_t count, const float *dy, float *x);

/// Where the rows of attention scores stand, and which keys each may see.
///
/// Row i belongs to query first_query + i / group, and sees the keys j with
/// query - window < j <= query, of which column c is first_key + c. Its statistics are
/// number (i / group) * statistic_stride + i % group.
struct tern_score_rows {
  size_t rows, group, first_query, first_key, key_count, window, stride, statistic_stride;
};

/// Replaces scores by their softmax over the visible keys, 0 elsewhere, and keeps each row's
/// maximum and the reciprocal of its sum. `stride` is a multiple of 16, and whole rows are written.
void tern_softmax(
    const struct tern_score_rows *shape, float *scores, float *maxima, float *reciprocals);

/// Replaces scores by their softmax, and the softmax's gradients by those of the scores:
/// ds = p (dp - dots), where dots are the rows' sums of p dp.
void tern_softmax_backward(
    const struct tern_score_rows *shape, const float *maxima, const float *reciprocals,
    const float *dots, float *scores, float *gradients);

/// The largest logit and the sum of e^(logit - largest).
void tern_log_sum_exp(size_t count, const float *logits, float *maximum, double *sum);

/// logits[i] = weight * softmax[i], given what tern_log_sum_exp found.
void tern_softmax_gradient(
    size_t count, float maximum, double sum, double weight, float *logits);

/// One step of AdamW: decay, moments, update. `correction1` and `correction2` are 1 - beta^t.
void tern_adamw(
    size_t count, float learning_rate, float decay, float beta1, float beta2, float epsilon,
    double correction1, double correction2, const float *gradient, float *first, float *second,
    float *parameters);

#endif
