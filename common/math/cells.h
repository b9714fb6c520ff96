/* What optimizers, ensembles and recurrent layers do element by element. Nothing here allocates; arrays must not overlap
 * unless said. [rows][n] arrays are dense. */
#ifndef ENT_COMMON_MATH_CELLS_H
#define ENT_COMMON_MATH_CELLS_H

#include <stdbool.h>
#include <stddef.h>

/* m = beta1 m + rest1 g; v = beta2 v + rest2 g^2; params -= rate m / (sqrt(v) inv_root + epsilon). One rounding an
 * operation: same bits on every path. Moments below 2^-100 become 0. */
struct ent_adam {
    float beta1;
    float beta2;
    float rest1; /* 1 - beta1 */
    float rest2;
    float rate;     /* with the first moment's bias correction in it */
    float inv_root; /* 1 / sqrt of the second one's */
    float epsilon;
};
void ent_cells_adam(const struct ent_adam *adam, float *params, float *m, float *v,
                    const float *gradient, size_t n);

/* tanh, relative error below 5e-7; out may be x. dy *= 1 - y^2 and dy *= y (1 - y), with y the function's value. */
void ent_cells_tanh(const float *x, float *out, size_t n);
void ent_cells_tanh_back(const float *y, float *dy, size_t n);
void ent_cells_sigmoid_back(const float *y, float *dy, size_t n);

/* out = x * s in every row; s [n]; out may be x. */
void ent_cells_mul_rows(const float *x, const float *s, float *out, size_t rows, size_t n);

/* y = z * scale + bias in every row, then max(., 0) when relu; y may be z. */
struct ent_scale_rows {
    const float *z;     /* [rows][n] */
    const float *scale; /* [n] */
    const float *bias;  /* [n] */
    float *y;           /* [rows][n] */
    bool relu;
};
void ent_cells_scale_rows(const struct ent_scale_rows *t, size_t rows, size_t n);
/* Its way back: dscale (+)= column sums of dy * z, dbias (+)= column sums of dy, then dy *= scale. */
struct ent_scale_rows_back {
    const float *z;
    const float *scale;
    float *dy; /* changed */
    float *dscale;
    float *dbias;
    bool add;
};
void ent_cells_scale_rows_back(const struct ent_scale_rows_back *t, size_t rows, size_t n);

/* One step of time of a recurrent layer, [rows] sequences. */
struct ent_cell {
    size_t rows;
    size_t units;
    float *gates; /* [rows][G units] sums in (LSTM: all of them; GRU: of the input), gates out */
    const float
        *hidden_gates;    /* GRU: sums of the state before, [rows][3 units], or one row for all */
    size_t hidden_stride; /* GRU: 3 units, or 0 for one row */
    const float *before;  /* [rows][units] GRU: h, LSTM: c of the step before; NULL: zero */
    float *h;             /* [rows][units] out */
    float *cell;          /* [rows][units] out: GRU: the candidate's sum of the state, LSTM: c */
    float *cell_tanh;     /* LSTM: [rows][units] out */
};
/* r = sigmoid(x_r + h_r), z = sigmoid(x_z + h_z), n = tanh(x_n + r h_n), h = (1 - z) n + z h. */
void ent_cells_gru(const struct ent_cell *cell);
/* i, f, o = sigmoid, g = tanh; c = f c + i g, h = o tanh(c). */
void ent_cells_lstm(const struct ent_cell *cell);

/* The way back of one step. dh and carry add up to the derivative by h. */
struct ent_cell_back {
    size_t rows;
    size_t units;
    float *gates;           /* gates in, derivatives by their sums out; RNN: only out */
    float *dhidden;         /* GRU: [rows][3 units] out: derivatives by the sums of the state */
    const float *before;    /* as in ent_cell */
    const float *cell;      /* GRU, LSTM: as ent_cell left it; RNN: h */
    const float *cell_tanh; /* LSTM */
    const float *dh;        /* [rows][units] from above */
    float *
        carry; /* [rows][units] from the step behind; GRU: out: the part of dh that goes past the gates */
    float *cell_carry; /* LSTM: [rows][units] derivative by c, in and out */
};
void ent_cells_gru_back(const struct ent_cell_back *cell);
void ent_cells_lstm_back(const struct ent_cell_back *cell);
/* h = tanh of its sum. */
void ent_cells_rnn_back(const struct ent_cell_back *cell);

#endif
