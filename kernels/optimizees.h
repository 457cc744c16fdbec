/* What update rules minimise: losses and gradients by hand, all lanes at a time. Included by
   update_rule_impl.h. Every sum has one order: that of the loop that is written here. */

/* An optimizee with the lanes of one block, and the memory that it computes in. */
typedef struct {
    const Optimizee *optimizee;
    int lanes;
    size_t offset[MAX_TENSORS];   /* of each tensor, in elements */
    REAL *optimum;                /* [n][lane] */
    const REAL **rows;            /* of the examples, or of the matrix */
    int32_t *classes;             /* of the examples */
    REAL *hidden[MAX_LAYERS], *hidden_error[MAX_LAYERS];  /* [example][unit][lane] */
    REAL *output, *error;         /* [example][class][lane], rows padded */
    REAL *sums, *picked;          /* [example][lane] */
    REAL *total, *correct;        /* [lane] */
    REAL *terms;                  /* [n][lane] */
    int capacity;                 /* examples */
} Landscape;

enum { LEAST_CAPACITY = 64 };

/* Elements from one row of `units` numbers per lane to the next, in whole vectors. */
static size_t row_elements(int units, int lanes)
{
    return padded((size_t)units * (size_t)lanes * sizeof(REAL)) / sizeof(REAL);
}

/* Lays out the memory at *next, or with *next null only counts it. */
static void landscape_memory(Landscape *land, char **next)
{
    const Optimizee *optimizee = land->optimizee;
    const size_t lanes = (size_t)land->lanes, slack = ALIGNMENT / sizeof(REAL);
#define TAKE(elements) take(next, ((size_t)(elements) + slack) * sizeof(REAL))
    land->total = TAKE(lanes);
    land->correct = TAKE(lanes);
    if (optimizee->kind != CLASSIFIER) {
        const size_t n = (size_t)optimizee->size[0];
        land->optimum = TAKE(n * lanes);
        land->terms = TAKE(n * lanes);
        land->rows = take(next, n * sizeof *land->rows);
        return;
    }
    const int classes = optimizee->width[optimizee->layers];
    land->capacity = optimizee->batch > LEAST_CAPACITY ? optimizee->batch : LEAST_CAPACITY;
    const size_t rows = (size_t)land->capacity;
    land->rows = take(next, rows * sizeof *land->rows);
    land->classes = take(next, rows * sizeof *land->classes);
    for (int layer = 1; layer < optimizee->layers; layer++) {
        const size_t row = row_elements(optimizee->width[layer], land->lanes);
        land->hidden[layer] = TAKE(rows * row);
        land->hidden_error[layer] = TAKE(rows * row);
    }
    land->output = TAKE(rows * row_elements(classes, land->lanes));
    land->error = TAKE(rows * row_elements(classes, land->lanes));
    land->sums = TAKE(rows * lanes);
    land->picked = TAKE(rows * lanes);
#undef TAKE
}

/* Functions of a vector ------------------------------------------------------------ */

static void sum_terms(Landscape *land, int count, REAL factor)
{
    const int lanes = land->lanes;
    EACH_QUAD {
        Quad sum = QUAD_SPLAT(0);
        for (int i = 0; i < count; i++)
            sum += QUAD(land->terms + (size_t)i * (size_t)lanes + lane);
        STORE_QUAD(land->total + lane, sum * QUAD_SPLAT(factor));
    }
}

/* (x - c)' A (x - c) / 2 */
static void quadratic(Landscape *land, const REAL *x, REAL *gradient)
{
    const int n = land->optimizee->size[0], lanes = land->lanes;
    const size_t count = (size_t)n * (size_t)lanes;
    REAL *distance = land->terms;
    for (size_t e = 0; e < count; e += WIDTH)
        *(VREAL *)(distance + e) = *(const VREAL *)(x + e) - *(const VREAL *)(land->optimum + e);
    shared_product(0, land->rows, n, n, distance, (size_t)lanes, NULL, gradient, (size_t)lanes,
                   lanes);
    for (size_t e = 0; e < count; e += WIDTH)
        *(VREAL *)(land->terms + e) = *(const VREAL *)(distance + e) * *(const VREAL *)(gradient + e);
    sum_terms(land, n, (REAL)0.5);
}

/* The sum over i of 100 (d[i+1] - d[i]^2)^2 + (1 - d[i])^2 with d = x - c */
static void rosenbrock(Landscape *land, const REAL *x, REAL *gradient)
{
    const int n = land->optimizee->size[0], lanes = land->lanes;
    EACH_QUAD {
        Quad loss = QUAD_SPLAT(0), pull = QUAD_SPLAT(0);
        for (int i = 0; i < n; i++) {
            const size_t at = (size_t)i * (size_t)lanes + (size_t)lane;
            Quad here = QUAD(x + at) - QUAD(land->optimum + at), slope = pull;
            if (i + 1 < n) {
                Quad next = QUAD(x + at + lanes) - QUAD(land->optimum + at + lanes);
                Quad valley = next - here * here;
                Quad rest = QUAD_SPLAT(1) - here;
                loss += QUAD_SPLAT(100) * valley * valley + rest * rest;
                slope = slope - QUAD_SPLAT(400) * here * valley - QUAD_SPLAT(2) * rest;
                pull = QUAD_SPLAT(200) * valley;
            }
            STORE_QUAD(gradient + at, slope);
        }
        STORE_QUAD(land->total + lane, loss);
    }
}

/* The sum over i of d^2 - 10 cos(2 pi d) + 10 with d = x - c */
static void rastrigin(Landscape *land, const REAL *x, REAL *gradient)
{
    const int n = land->optimizee->size[0];
    const size_t count = (size_t)n * (size_t)land->lanes;
    const double turn = 6.283185307179586;
    for (size_t e = 0; e < count; e += DOUBLES) {
        vdouble d = LOAD_DOUBLES(x + e) - LOAD_DOUBLES(land->optimum + e);
        vdouble angle = splat(turn) * d;
        STORE_DOUBLES(land->terms + e, d * d - 10.0 * vcos(angle) + 10.0);
        STORE_DOUBLES(gradient + e, 2.0 * d + splat(10 * turn) * vsin(angle));
    }
    sum_terms(land, n, 1);
}

/* Networks --------------------------------------------------------------------------- */

/* tanh as in Moshier's Cephes. */
INLINE vdouble vtanh(vdouble x)
{
    vdouble a = vabs(x), s = x * x;
    vdouble p = -1.61468768441708447952e3 + s * (-9.92877231001918586564e1
                + s * -9.64399179425052238628e-1);
    vdouble q = 4.84406305325125486048e3 + s * (2.23548839060100448583e3
                + s * (1.12811678491632931402e2 + s));
    vdouble near = x + x * s * (p / q);
    vdouble far = 1.0 - 2.0 / (vexp(a + a) + 1.0);
    far = as_double(as_long(far) | (as_long(x) & INT64_MIN));
    return choose(a < splat(0.625), near, choose(x == x, far, x));
}

static void activate(REAL *units, size_t count, Activation activation)
{
    if (activation == RELU)
        for (size_t e = 0; e < count; e += WIDTH) {
            VREAL x = *(VREAL *)(units + e);
            *(VREAL *)(units + e) = SELECT(x < 0, VSPLAT(0), x);
        }
    else
        for (size_t e = 0; e < count; e += DOUBLES)
            STORE_DOUBLES(units + e, vtanh(LOAD_DOUBLES(units + e)));
}

/* Errors of units from errors of their activations. */
static void deactivate(const REAL *units, REAL *error, size_t count, Activation activation)
{
    for (size_t e = 0; e < count; e += WIDTH) {
        VREAL a = *(const VREAL *)(units + e), d = *(VREAL *)(error + e);
        if (activation == RELU)
            d = SELECT(a > 0, d, VSPLAT(0));
        else
            d *= 1 - a * a;
        *(VREAL *)(error + e) = d;
    }
}

/* From the examples in land->rows to the units of each layer. */
static void forward(Landscape *land, const REAL *parameter, int examples)
{
    const Optimizee *optimizee = land->optimizee;
    const int lanes = land->lanes, layers = optimizee->layers;
    for (int layer = 1; layer <= layers; layer++) {
        const int from = optimizee->width[layer - 1], to = optimizee->width[layer];
        const REAL *weights = parameter + land->offset[2 * layer - 2];
        const REAL *bias = parameter + land->offset[2 * layer - 1];
        REAL *out = layer == layers ? land->output : land->hidden[layer];
        const size_t row = row_elements(to, lanes), weight_row = (size_t)to * (size_t)lanes;
        if (layer == 1) {
            shared_product(0, land->rows, examples, from, weights, weight_row, bias, out, row,
                           to * lanes);
        } else {
            Strided x = {land->hidden[layer - 1], row_elements(from, lanes), (size_t)lanes};
            Strided y = {weights, weight_row, (size_t)lanes};
            lane_product(examples, to, from, x, y, bias, lanes, out, row);
        }
        if (layer < layers)
            activate(out, (size_t)examples * row, optimizee->activation);
    }
}

static NOINLINE void exponentials(const REAL *x, REAL *out, size_t count)
{
    size_t e = 0;
    for (; e + MANY * DOUBLES <= count; e += MANY * DOUBLES) {
        vdouble many[MANY];
        for (int i = 0; i < MANY; i++)
            many[i] = LOAD_DOUBLES(x + e + i * DOUBLES);
        vexp_of_many(MANY, many);
        for (int i = 0; i < MANY; i++)
            STORE_DOUBLES(out + e + i * DOUBLES, many[i]);
    }
    for (; e < count; e += DOUBLES)
        STORE_DOUBLES(out + e, vexp(LOAD_DOUBLES(x + e)));
}

/* The sum of the cross entropies of the examples to land->total, from land->output; with
   `errors`, their mean's derivative to land->error; else adds the right answers to
   land->correct. */
INLINE void cross_entropy(Landscape *land, int examples, const int errors)
{
    const Optimizee *optimizee = land->optimizee;
    const int lanes = land->lanes, classes = optimizee->width[optimizee->layers];
    const size_t row = row_elements(classes, lanes), step = (size_t)lanes;
    for (int b = 0; b < examples; b++)
        EACH_QUAD {
            REAL *z = land->output + (size_t)b * row + lane;
            Quad largest = QUAD(z), winner = QUAD_SPLAT(0);
            for (int c = 1; c < classes; c++) {
                Quad x = QUAD(z + (size_t)c * step);
                if (!errors)
                    winner = QUAD_SELECT(x > largest, QUAD_SPLAT(c), winner);
                largest = LARGER(x, largest);
            }
            for (int c = 0; c < classes; c++)
                STORE_QUAD(z + (size_t)c * step, QUAD(z + (size_t)c * step) - largest);
            const int label = land->classes[b];
            STORE_QUAD(land->picked + (size_t)b * step + lane, QUAD(z + (size_t)label * step));
            if (!errors) {
                Quad right = QUAD_SELECT(winner == QUAD_SPLAT(label), QUAD_SPLAT(1), QUAD_SPLAT(0));
                STORE_QUAD(land->correct + lane, QUAD(land->correct + lane) + right);
            }
        }
    exponentials(land->output, land->error, (size_t)examples * row);
    const REAL share = (REAL)1 / (REAL)examples;
    for (int b = 0; b < examples; b++)
        EACH_QUAD {
            REAL *p = land->error + (size_t)b * row + lane;
            Quad sum = QUAD(p);
            for (int c = 1; c < classes; c++)
                sum += QUAD(p + (size_t)c * step);
            STORE_QUAD(land->sums + (size_t)b * step + lane, sum);
            if (!errors)
                continue;
            Quad scale = QUAD_SPLAT(share) / sum;
            for (int c = 0; c < classes; c++)
                STORE_QUAD(p + (size_t)c * step, QUAD(p + (size_t)c * step) * scale);
            REAL *label = p + (size_t)land->classes[b] * step;
            STORE_QUAD(label, QUAD(label) - QUAD_SPLAT(share));
        }
    for (size_t e = 0; e < (size_t)examples * step; e += DOUBLES)
        STORE_DOUBLES(land->sums + e, vlog(LOAD_DOUBLES(land->sums + e)));
    EACH_QUAD {
        Quad total = QUAD(land->total + lane);
        for (int b = 0; b < examples; b++)
            total += QUAD(land->sums + (size_t)b * step + lane)
                     - QUAD(land->picked + (size_t)b * step + lane);
        STORE_QUAD(land->total + lane, total);
    }
}

static void backward(Landscape *land, const REAL *parameter, REAL *gradient, int examples)
{
    const Optimizee *optimizee = land->optimizee;
    const int lanes = land->lanes, layers = optimizee->layers;
    for (int layer = layers; layer >= 1; layer--) {
        const int from = optimizee->width[layer - 1], to = optimizee->width[layer];
        const size_t row = row_elements(to, lanes), weight_row = (size_t)to * (size_t)lanes;
        const REAL *error = layer == layers ? land->error : land->hidden_error[layer];
        REAL *weights = gradient + land->offset[2 * layer - 2];
        if (layer == 1) {
            shared_product(1, land->rows, from, examples, error, row, NULL, weights, weight_row,
                           to * lanes);
        } else {
            const size_t below = row_elements(from, lanes);
            Strided x = {land->hidden[layer - 1], (size_t)lanes, below};
            Strided y = {error, row, (size_t)lanes};
            lane_product(from, to, examples, x, y, NULL, lanes, weights, weight_row);
            Strided d = {error, row, (size_t)lanes};
            Strided w = {parameter + land->offset[2 * layer - 2], (size_t)lanes, weight_row};
            REAL *propagated = land->hidden_error[layer - 1];
            lane_product(examples, from, to, d, w, NULL, lanes, propagated, below);
            deactivate(land->hidden[layer - 1], propagated, (size_t)examples * below,
                       optimizee->activation);
        }
        /* Biases: the errors' sum over the examples. */
        REAL *bias = gradient + land->offset[2 * layer - 1];
        for (size_t n = 0; n < weight_row; n += WIDTH) {
            VREAL sum = VSPLAT(0);
            for (int b = 0; b < examples; b++)
                sum += *(const VREAL *)(error + (size_t)b * row + n);
            *(VREAL *)(bias + n) = sum;
        }
    }
}

static void training_batch(Landscape *land, const int32_t *order)
{
    const Optimizee *optimizee = land->optimizee;
    const REAL *x = optimizee->train_x;
    for (int b = 0; b < optimizee->batch; b++) {
        land->rows[b] = x + (size_t)order[b] * (size_t)optimizee->width[0];
        land->classes[b] = optimizee->train_y[order[b]];
    }
}

/* The loss at `parameter` to land->total, its derivative to `gradient`; `step` from 0. */
static NOINLINE void loss_and_gradient(Landscape *land, const REAL *parameter, REAL *gradient,
                                       int step)
{
    const Optimizee *optimizee = land->optimizee;
    switch (optimizee->kind) {
    case QUADRATIC:
        quadratic(land, parameter, gradient);
        break;
    case ROSENBROCK:
        rosenbrock(land, parameter, gradient);
        break;
    case RASTRIGIN:
        rastrigin(land, parameter, gradient);
        break;
    case CLASSIFIER:
        training_batch(land, optimizee->order + (size_t)step * (size_t)optimizee->batch);
        forward(land, parameter, optimizee->batch);
        memset(land->total, 0, sizeof(REAL) * (size_t)land->lanes);
        cross_entropy(land, optimizee->batch, 1);
        for (int lane = 0; lane < land->lanes; lane++)
            land->total[lane] /= (REAL)optimizee->batch;
        backward(land, parameter, gradient, optimizee->batch);
        break;
    }
}

/* The loss on held-out data, or the function's value, to land->total; the share of right
   answers to land->correct, NaN if there are none. `unused` is overwritten. */
static NOINLINE void final_loss(Landscape *land, const REAL *parameter, REAL *unused)
{
    const Optimizee *optimizee = land->optimizee;
    const int count = optimizee->test_count;
    if (optimizee->kind != CLASSIFIER) {
        loss_and_gradient(land, parameter, unused, 0);
        for (int lane = 0; lane < land->lanes; lane++)
            land->correct[lane] = NAN;
        return;
    }
    const REAL *x = optimizee->test_x;
    memset(land->total, 0, sizeof(REAL) * (size_t)land->lanes);
    memset(land->correct, 0, sizeof(REAL) * (size_t)land->lanes);
    for (int first = 0; first < count; first += land->capacity) {
        const int examples = count - first < land->capacity ? count - first : land->capacity;
        for (int b = 0; b < examples; b++) {
            land->rows[b] = x + (size_t)(first + b) * (size_t)optimizee->width[0];
            land->classes[b] = optimizee->test_y[first + b];
        }
        forward(land, parameter, examples);
        cross_entropy(land, examples, 0);
    }
    for (int lane = 0; lane < land->lanes; lane++) {
        land->total[lane] /= (REAL)count;
        land->correct[lane] /= (REAL)count;
    }
}
