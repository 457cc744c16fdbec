/* The interpreter's entry points; see lockstep.h. */

static NOINLINE void evaluate_block(Evaluation *evaluation, Frame *frame, Frame *wide, double *aside,
                           size_t aside_size)
{
    const TaskBatch *batch = evaluation->batch;
    const CanonicalProgram *program = evaluation->program;
    const TaskBlock *block = evaluation->block;
    const int epoch_steps = evaluation->train_count + evaluation->valid_count;
    /* The sigmoid of accuracy training is state too, unless predict writes the prediction. */
    const int keeps_prediction = batch->objective == ACCURACY
                                 && !(program->component[PREDICT].writes & PREDICTION);
    const int train_wide = wide && batch->wide_train && !program->component[LEARN].size
                           && evaluation->train_count == batch->train_count
                           && !keeps_prediction;

    memset(frame->registers, 0, frame->register_bytes);
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        set_keys(frame, &program->component[c], c, block->seed, block->tasks, 0);
        set_step(&frame->component[c], 0);
    }
    run(&frame->component[SETUP]);

    for (int epoch = 0; epoch < evaluation->epochs; epoch++) {
        set_step(&frame->component[PREDICT], (uint64_t)epoch * (uint64_t)epoch_steps);
        set_step(&frame->component[LEARN], (uint64_t)epoch * (uint64_t)evaluation->train_count);
        if (train_wide)
            run_tasks_wide(evaluation, frame, wide, epoch, 1);
        else if (!train(evaluation, frame, epoch))
            return;
        if (wide)
            run_tasks_wide(evaluation, frame, wide, epoch, 0);
        else
            validate(evaluation, frame, epoch, epoch + 1 < evaluation->epochs ? aside : NULL,
                     aside_size);
        finish_epoch(evaluation, epoch);
    }
}

static RegisterSet registers_used(const CanonicalProgram *program)
{
    RegisterSet used = LABEL | PREDICTION | FEATURES;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        used |= program->component[c].reads_first | program->component[c].writes;
    return used & ~DEAD_CODE;
}

static void trace_scalars(const Evaluation *evaluation, const Frame *frame)
{
    if (!evaluation->trace || !evaluation->trace->scalars)
        return;
    for (int t = 0; t < evaluation->block->tasks; t++)
        for (int s = 0; s < MAX_REGISTERS; s++)
            evaluation->trace->scalars[(size_t)(evaluation->block->first_task + t)
                                           * MAX_REGISTERS + s] =
                frame->reg[s] ? (double)frame->reg[s][t] : NAN;
}

static int evaluate(Workspace *workspace, const TaskBatch *batch,
                    const CanonicalProgram *program, const RunOptions *options, double *fitness,
                    Stop *stop, Trace *trace, uint64_t *probe)
{
    const int features = batch->features;
    const RegisterSet used = registers_used(program);
    int instructions = 0, lanes = 0, wide_lanes = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        instructions += program->component[c].size;
    for (int b = 0; b < batch->block_count; b++)
        lanes = batch->blocks[b].lanes > lanes ? batch->blocks[b].lanes : lanes;
    int train_count = options->train_limit < batch->train_count ? options->train_limit
                                                                : batch->train_count;
    int valid_count = options->valid_limit < batch->valid_count ? options->valid_limit
                                                                : batch->valid_count;
    if (!(options->flags & RUN_NO_WIDE) && !trace && !probe && batch->wide_valid
        && valid_count == batch->valid_count && can_run_wide(batch, program)) {
        wide_lanes = batch->wide_valid[0].lanes;
        if (batch->wide_train && batch->wide_train[0].lanes > wide_lanes)
            wide_lanes = batch->wide_train[0].lanes;
    }
    const int randoms = random_count(program);
    size_t need = frame_bytes(used, features, lanes, instructions, randoms) + 16 * ALIGNMENT;
    if (wide_lanes)
        need += frame_bytes(used, features, wide_lanes, instructions, randoms);
    size_t aside_size = 0, state_bytes = padded((size_t)(8 + 4) * WIDEST_BLOCK * 8);
    if (batch->epochs > 1)
        for (int bit = 0; bit < 3 * MAX_REGISTERS; bit++)
            if (used >> bit & 1)
                aside_size += register_elements(bit, features, 1);
    if (workspace_reserve(&workspace->arena, &workspace->arena_bytes, need)
        || workspace_reserve((char **)&workspace->buffer, &workspace->buffer_bytes,
                             state_bytes + aside_size * (size_t)lanes * sizeof(double)))
        return -1;

    Evaluation evaluation = {.batch = batch, .program = program, .options = options,
                             .train_count = train_count, .valid_count = valid_count};
    evaluation.epochs = options->epoch_limit < batch->epochs ? options->epoch_limit
                                                             : batch->epochs;
    Stop stops[WIDEST_BLOCK];
    evaluation.trace = trace;
    evaluation.loss = workspace->buffer;
    evaluation.alive = (int64_t *)workspace->buffer + 8 * WIDEST_BLOCK;
    evaluation.valid = evaluation.alive + WIDEST_BLOCK;
    evaluation.total = (double *)evaluation.valid + WIDEST_BLOCK;
    uint64_t *hashes = (uint64_t *)evaluation.total + WIDEST_BLOCK;
    double *aside = aside_size ? workspace->buffer + state_bytes / sizeof(double) : NULL;
    if (probe)
        *probe = GAMMA;

    Frame frame, wide;
    frame.lanes = 0;
    for (int b = 0; b < batch->block_count; b++) {
        const TaskBlock *block = &batch->blocks[b];
        if (block->lanes != frame.lanes || block->tasks != frame.used_lanes) {
            char *next = workspace->arena;
            memset(&frame, 0, sizeof frame);
            frame.copies_features = frame.copies_label = 0;
            for (int c = 0; c < COMPONENT_COUNT; c++) {
                frame.copies_features |= (program->component[c].writes & FEATURES) != 0;
                frame.copies_label |= (program->component[c].writes & LABEL) != 0;
            }
            frame_registers(&frame, used, features, block->lanes, &next);
            frame.used_lanes = block->tasks;
            uint64_t *keys = frame.keys =
                take(&next, (size_t)randoms * ((size_t)block->lanes + 8) * sizeof(uint64_t));
            for (int c = 0; c < COMPONENT_COUNT; c++)
                bind_component(&frame, &program->component[c], c, options->flags, 0, &next,
                               &keys);
            if (wide_lanes)
                bind_wide(&wide, program, options, features, wide_lanes, &next);
        }
        evaluation.block = block;
        evaluation.fitness = fitness + block->first_task;
        evaluation.stop = stop ? stop + block->first_task : stops;
        evaluation.probe = probe ? hashes : NULL;
        for (int lane = 0; lane < WIDEST_BLOCK; lane++) {
            evaluation.alive[lane] = lane < block->tasks ? -1 : 0;
            hashes[lane] = (uint64_t)lane;
        }
        for (int t = 0; t < block->tasks; t++) {
            evaluation.fitness[t] = 0;
            evaluation.stop[t] =
                (Stop){STOP_NONE, -1, -1, (int64_t)train_count * evaluation.epochs};
        }
        evaluate_block(&evaluation, &frame, wide_lanes ? &wide : NULL, aside, aside_size);
        trace_scalars(&evaluation, &frame);
        if (probe)
            for (int t = 0; t < block->tasks; t++)
                *probe = mix64(*probe ^ hashes[t]) + GAMMA
                         * (uint64_t)(evaluation.stop[t].reason * 4096 + evaluation.stop[t].step);
    }
    clear_upper_halves();
    return 0;
}

static int run_instruction(Workspace *workspace, const Instruction *ins, int features, int lanes,
                           uint64_t key, uint64_t step, const int sizes[3], double *scalars,
                           double *vectors, double *matrices)
{
    double *memory[3] = {scalars, vectors, matrices};
    RegisterSet used = 0;
    for (int kind = 0; kind < 3; kind++)
        for (int r = 0; r < sizes[kind]; r++)
            used |= (RegisterSet)1 << (kind * MAX_REGISTERS + r);
    size_t need = frame_bytes(used, features, lanes, 1, 1) + 16 * ALIGNMENT;
    if (workspace_reserve(&workspace->arena, &workspace->arena_bytes, need))
        return -1;
    Frame frame;
    memset(&frame, 0, sizeof frame);
    char *next = workspace->arena;
    frame_registers(&frame, used, features, lanes, &next);
    memset(frame.registers, 0, frame.register_bytes);
    uint64_t *keys = frame.keys = take(&next, ((size_t)lanes + 8) * sizeof(uint64_t));
    Instruction code = *ins;
    RegisterSet live_after = 0;
    LiveComponent live = {&code, &live_after, 1, 0, 0};
    bind_component(&frame, &live, SETUP, 0, 0, &next, &keys);
    for (int lane = 0; lane < lanes + 8; lane++)
        frame.keys[lane] = key;
    set_step(&frame.component[SETUP], step);
    for (int pass = 0; pass < 2; pass++) {
        for (int kind = 0; kind < 3; kind++)
            for (int r = 0; r < sizes[kind]; r++) {
                int bit = kind * MAX_REGISTERS + r;
                size_t elements = register_elements(bit, features, 1);
                double *x = memory[kind] + (size_t)r * elements;
                for (size_t e = 0; e < elements; e++) {
                    REAL *y = frame.reg[bit] + e * (size_t)lanes;
                    for (int lane = 0; !pass && lane < lanes; lane++)
                        y[lane] = (REAL)x[e];
                    if (pass)
                        x[e] = (double)y[0];
                }
            }
        if (!pass)
            run(&frame.component[SETUP]);
    }
    clear_upper_halves();
    return 0;
}

const LockstepKernels PASTE3(lockstep, REAL_NAME, ISA_SUFFIX);
const LockstepKernels PASTE3(lockstep, REAL_NAME, ISA_SUFFIX) = {
    STRING(ISA_SUFFIX), evaluate, run_instruction, block_lanes,
};
