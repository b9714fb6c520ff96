#include "common/math/cells.h"

#include "common/math/kernels.h"

void ent_cells_adam(const struct ent_adam *adam, float *params, float *m, float *v,
                    const float *gradient, size_t n)
{
    ent_kernels()->cells->adam(adam, params, m, v, gradient, n);
}

void ent_cells_tanh(const float *x, float *out, size_t n)
{
    ent_kernels()->cells->tanh(x, out, n);
}

void ent_cells_tanh_back(const float *y, float *dy, size_t n)
{
    ent_kernels()->cells->tanh_back(y, dy, n);
}

void ent_cells_sigmoid_back(const float *y, float *dy, size_t n)
{
    ent_kernels()->cells->sigmoid_back(y, dy, n);
}

void ent_cells_mul_rows(const float *x, const float *s, float *out, size_t rows, size_t n)
{
    ent_kernels()->cells->mul_rows(x, s, out, rows, n);
}

void ent_cells_scale_rows(const struct ent_scale_rows *t, size_t rows, size_t n)
{
    ent_kernels()->cells->scale_rows(t, rows, n);
}

void ent_cells_scale_rows_back(const struct ent_scale_rows_back *t, size_t rows, size_t n)
{
    ent_kernels()->cells->scale_rows_back(t, rows, n);
}

void ent_cells_gru(const struct ent_cell *cell)
{
    ent_kernels()->cells->gru(cell);
}

void ent_cells_lstm(const struct ent_cell *cell)
{
    ent_kernels()->cells->lstm(cell);
}

void ent_cells_gru_back(const struct ent_cell_back *cell)
{
    ent_kernels()->cells->gru_back(cell);
}

void ent_cells_lstm_back(const struct ent_cell_back *cell)
{
    ent_kernels()->cells->lstm_back(cell);
}

void ent_cells_rnn_back(const struct ent_cell_back *cell)
{
    ent_kernels()->cells->rnn_back(cell);
}
