/* The table of one kind of CPU's kernels. Code, included by compute_avx512.c, compute_avx2.c and
 * compute_plain.c after the kernels. */
#define KERNELS(NAME)                                                                              \
    {                                                                                              \
        .name = (NAME), .add_bias = add_bias, .bias_gelu = bias_gelu,                              \
        .gelu_backward = gelu_backward, .multiply = multiply, .add = add, .drop = drop,            \
        .sum_rows = sum_rows, .norm = norm, .norm_backward = norm_backward,                        \
        .norm_again = norm_again, .add_three = add_three, .attention = attention,                  \
        .attention_backward = attention_backward, .squares = squares, .adamw = adamw,              \
        .scale = scale, .to_bf16 = to_bf16                                                         \
    }
