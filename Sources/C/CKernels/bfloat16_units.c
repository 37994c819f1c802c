// SPDX-License-Identifier: Apache-2.0
#include "bfloat16_units.h"

#include "dispatch.h"

TERN_INLINE float from_bf16(uint16_t value) {
  uint32_t bits = (uint32_t)value << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

TERN_DISPATCHED static void compute_plain(
    size_t steps, int adding, const uint16_t *a, const uint16_t *b, float *y, size_t stride) {
  float sums[TILE][TILE] = {{0}};
  if (adding)
    for (size_t row = 0; row < TILE; row++)
      for (size_t column = 0; column < TILE; column++) sums[row][column] = y[row * stride + column];
  for (size_t pair = 0; pair < steps * STEP / 2; pair++) {
    const uint16_t *right = b + pair * TILE * 2;
    const uint16_t *left = a + pair / (STEP / 2) * TILE_VALUES + pair % (STEP / 2) * 2;
    for (size_t row = 0; row < TILE; row++, left += STEP)
      for (size_t column = 0; column < TILE; column++) {
        float sum = from_bf16(left[0]) * from_bf16(right[2 * column]);
        sum += from_bf16(left[1]) * from_bf16(right[2 * column + 1]);
        sums[row][column] += sum;
      }
  }
  for (size_t row = 0; row < TILE; row++)
    for (size_t column = 0; column < TILE; column++) y[row * stride + column] = sums[row][column];
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TERN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define TERN_AMX __attribute__((target("amx-tile,amx-bf16")))

// Some rows of a tile by two panels: sixteen sums, so that each is ready again when its turn comes,
// and a value that was read serves both panels.
enum { GROUP = 8 };

TERN_AVX512 static void compute_group(
    size_t steps, int adding, const uint16_t *a, const uint16_t *const b[2], float *const y[2],
    const size_t stride[2]) {
  __m512 left[GROUP], right[GROUP];
  for (size_t row = 0; row < GROUP; row++) {
    left[row] = adding ? _mm512_loadu_ps(y[0] + row * stride[0]) : _mm512_setzero_ps();
    right[row] = adding ? _mm512_loadu_ps(y[1] + row * stride[1]) : _mm512_setzero_ps();
  }
  const uint16_t *b0 = b[0], *b1 = b[1];
  for (size_t step = 0; step < steps; step++, a += TILE_VALUES)
    for (size_t pair = 0; pair < STEP / 2; pair++, b0 += 2 * TILE, b1 += 2 * TILE) {
      __m512bh weights0 = (__m512bh)_mm512_loadu_si512(b0);
      __m512bh weights1 = (__m512bh)_mm512_loadu_si512(b1);
#pragma clang loop unroll(full)
      for (size_t row = 0; row < GROUP; row++) {
        int32_t values;
        memcpy(&values, a + row * STEP + pair * 2, sizeof values);
        __m512bh x = (__m512bh)_mm512_set1_epi32(values);
        left[row] = _mm512_dpbf16_ps(left[row], x, weights0);
        right[row] = _mm512_dpbf16_ps(right[row], x, weights1);
      }
    }
  for (size_t row = 0; row < GROUP; row++) {
    _mm512_storeu_ps(y[0] + row * stride[0], left[row]);
    _mm512_storeu_ps(y[1] + row * stride[1], right[row]);
  }
}

static void compute_avx512(const struct tern_bf16_block *block) {
  for (size_t i = 0; i < 2; i++)
    for (size_t row = 0; row < TILE && i * TILE + row < block->rows; row += GROUP) {
      const size_t *stride = block->stride[i];
      float *y[2] = {block->y[i][0] + row * stride[0], block->y[i][1] + row * stride[1]};
      compute_group(
          block->steps, block->adding, block->a[i] + row * STEP, block->b, y, stride);
    }
}

// Tiles 0 to 3 hold the block's sums, 4 and 5 its left operands, 6 and 7 its right ones: all of
// 16 rows of 64 bytes. The layout of what the processor reads is palette 1 of the manual.
TERN_AMX static void begin_amx(void) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } shapes = {.palette = 1};
  _Static_assert(sizeof shapes == 64, "the tiles' shapes take 64 bytes");
  for (int tile = 0; tile < 8; tile++) {
    shapes.row_bytes[tile] = 64;
    shapes.rows[tile] = 16;
  }
  _tile_loadconfig(&shapes);
}

TERN_AMX static void end_amx(void) { _tile_release(); }

TERN_AMX static void compute_amx(const struct tern_bf16_block *block) {
  if (block->adding) {
    _tile_loadd(0, block->y[0][0], block->stride[0][0] * sizeof(float));
    _tile_loadd(1, block->y[0][1], block->stride[0][1] * sizeof(float));
    _tile_loadd(2, block->y[1][0], block->stride[1][0] * sizeof(float));
    _tile_loadd(3, block->y[1][1], block->stride[1][1] * sizeof(float));
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (size_t step = 0; step < block->steps; step++) {
    _tile_loadd(4, block->a[0] + step * TILE_VALUES, STEP * sizeof(uint16_t));
    _tile_loadd(5, block->a[1] + step * TILE_VALUES, STEP * sizeof(uint16_t));
    _tile_loadd(6, block->b[0] + step * TILE_VALUES, STEP * sizeof(uint16_t));
    _tile_loadd(7, block->b[1] + step * TILE_VALUES, STEP * sizeof(uint16_t));
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, block->y[0][0], block->stride[0][0] * sizeof(float));
  _tile_stored(1, block->y[0][1], block->stride[0][1] * sizeof(float));
  _tile_stored(2, block->y[1][0], block->stride[1][0] * sizeof(float));
  _tile_stored(3, block->y[1][1], block->stride[1][1] * sizeof(float));
}

// The states that the system saves for this process, and with it lets it use.
static uint64_t saved_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

enum tern_bf16_unit tern_bf16_fastest_unit(void) {
  unsigned a, b, c, d;
  const unsigned has_xgetbv = 1u << 27;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & has_xgetbv)) return TERN_BF16_PLAIN;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return TERN_BF16_PLAIN;
  uint64_t states = saved_states();
#if defined(__linux__)
  const unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;
  const uint64_t tiles = 3ull << 17;
  enum { ask_for_state = 0x1023, tile_data = 18 };  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  if ((d & amx_bf16) && (d & amx_tile) && (states & tiles) == tiles &&
      syscall(SYS_arch_prctl, ask_for_state, tile_data) == 0)
    return TERN_BF16_AMX;
#endif
  const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  const uint64_t vectors = 0xE6;
  unsigned more_a, more_b, more_c, more_d;
  if ((b & avx512) == avx512 && (states & vectors) == vectors &&
      __get_cpuid_count(7, 1, &more_a, &more_b, &more_c, &more_d) && (more_a & 1u << 5))
    return TERN_BF16_AVX512;
  return TERN_BF16_PLAIN;
}

#else

enum tern_bf16_unit tern_bf16_fastest_unit(void) { return TERN_BF16_PLAIN; }

#endif

void tern_bf16_begin(enum tern_bf16_unit unit) {
#if defined(__x86_64__)
  if (unit == TERN_BF16_AMX) begin_amx();
#endif
}

void tern_bf16_end(enum tern_bf16_unit unit) {
#if defined(__x86_64__)
  if (unit == TERN_BF16_AMX) end_amx();
#endif
}

void tern_bf16_compute(enum tern_bf16_unit unit, const struct tern_bf16_block *block) {
#if defined(__x86_64__)
  if (unit == TERN_BF16_AMX) {
    compute_amx(block);
    return;
  }
  if (unit == TERN_BF16_AVX512) {
    compute_avx512(block);
    return;
  }
#endif
  for (size_t i = 0; i * TILE < block->rows; i++)
    for (size_t j = 0; j < 2; j++)
      compute_plain(
          block->steps, block->adding, block->a[i], block->b[j], block->y[i][j],
          block->stride[i][j]);
}

int tern_bf16_is_right(enum tern_bf16_unit unit) {
  // A product of small whole numbers is exact in any order: every unit must make the same of it.
  enum { rows = 53, columns = 43, depth = 70, steps = 3, stride = 45 };
  static float left[rows * depth], right[columns * depth];
  static float expected[rows * stride], found[rows * stride];
  static uint16_t a[4 * steps * TILE_VALUES], b[3 * steps * TILE_VALUES];
  for (int i = 0; i < rows * depth; i++) left[i] = (float)(i * 37 % 23 - 11);
  for (int i = 0; i < columns * depth; i++) right[i] = (float)(i * 29 % 19 - 9);
  for (int i = 0; i < rows * stride; i++) expected[i] = found[i] = (float)(i % 7);
  tern_bf16_pack_rows(rows, depth, left, depth, a);
  for (int panel = 0; panel < 3; panel++)
    tern_bf16_pack_panel(
        panel < 2 ? TILE : columns - 2 * TILE, depth, right + panel * TILE * depth,
        b + panel * steps * TILE_VALUES);
  for (int adding = 1; adding >= 0; adding--) {
    tern_bf16_multiply(TERN_BF16_PLAIN, rows, columns, steps, a, b, adding, expected, stride);
    tern_bf16_multiply(unit, rows, columns, steps, a, b, adding, found, stride);
    if (memcmp(expected, found, sizeof found) != 0) return 0;
  }
  return 1;
}
