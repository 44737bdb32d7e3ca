#include <check.h>
#include <string.h>

#include "common/encoder/porter.h"

/* The examples that the paper gives, step by step, each followed through to the end of all steps.
 */
static const struct {
    const char *word, *stem;
} examples[] = {
    /* 1a */
    {"caresses", "caress"},
    {"ponies", "poni"},
    {"ties", "ti"},
    {"caress", "caress"},
    {"cats", "cat"},
    /* 1b */
    {"feed", "feed"},
    {"agreed", "agre"},
    {"plastered", "plaster"},
    {"bled", "bled"},
    {"motoring", "motor"},
    {"sing", "sing"},
    {"conflated", "conflat"},
    {"troubled", "troubl"},
    {"sized", "size"},
    {"hopping", "hop"},
    {"tanned", "tan"},
    {"falling", "fall"},
    {"hissing", "hiss"},
    {"fizzed", "fizz"},
    {"failing", "fail"},
    {"filing", "file"},
    /* 1c */
    {"happy", "happi"},
    {"sky", "sky"},
    /* 2 */
    {"relational", "relat"},
    {"conditional", "condit"},
    {"rational", "ration"},
    {"valenci", "valenc"},
    {"hesitanci", "hesit"},
    {"digitizer", "digit"},
    {"conformabli", "conform"},
    {"radicalli", "radic"},
    {"differentli", "differ"},
    {"vileli", "vile"},
    {"analogousli", "analog"},
    {"vietnamization", "vietnam"},
    {"predication", "predic"},
    {"operator", "oper"},
    {"feudalism", "feudal"},
    {"decisiveness", "decis"},
    {"hopefulness", "hope"},
    {"callousness", "callous"},
    {"formaliti", "formal"},
    {"sensitiviti", "sensit"},
    {"sensibiliti", "sensibl"},
    /* 3 */
    {"triplicate", "triplic"},
    {"formative", "form"},
    {"formalize", "formal"},
    {"electriciti", "electr"},
    {"electrical", "electr"},
    {"hopeful", "hope"},
    {"goodness", "good"},
    /* 4 */
    {"revival", "reviv"},
    {"allowance", "allow"},
    {"inference", "infer"},
    {"airliner", "airlin"},
    {"gyroscopic", "gyroscop"},
    {"adjustable", "adjust"},
    {"defensible", "defens"},
    {"irritant", "irrit"},
    {"replacement", "replac"},
    {"adjustment", "adjust"},
    {"dependent", "depend"},
    {"adoption", "adopt"},
    {"homologou", "homolog"},
    {"communism", "commun"},
    {"activate", "activ"},
    {"angulariti", "angular"},
    {"homologous", "homolog"},
    {"effective", "effect"},
    {"bowdlerize", "bowdler"},
    /* 5 */
    {"probate", "probat"},
    {"rate", "rate"},
    {"cease", "ceas"},
    {"controll", "control"},
    {"roll", "roll"},
    /* the paper's introduction, and words of y */
    {"connection", "connect"},
    {"connections", "connect"},
    {"connective", "connect"},
    {"connected", "connect"},
    {"generalizations", "gener"},
    {"oscillators", "oscil"},
    {"toy", "toi"},
    {"syzygy", "syzygi"},
    {"yes", "ye"},
    {"by", "by"},
    {"say", "sai"},
    /* not words of a-z */
    {"c++", "c++"},
    {"utf8s", "utf8s"},
    {"caf\xc3\xa9s", "caf\xc3\xa9s"},
    {"is", "is"},
    {"", ""},
    {"yyy", "yyi"},
    {"sss", "sss"},
    {"ing", "ing"},
    {"eed", "eed"},
    {"ational", "ation"},
};

START_TEST(published_examples)
{
    char word[32];
    size_t length = strlen(examples[_i].word);
    memcpy(word, examples[_i].word, length + 1);
    size_t stemmed = cf_porter_stem(word, length);
    ck_assert_uint_le(stemmed, length);
    word[stemmed] = '\0';
    ck_assert_str_eq(word, examples[_i].stem);
}
END_TEST

Suite *encoder_porter_suite(void)
{
    Suite *suite = suite_create("encoder_porter");
    TCase *tc = tcase_create("porter");
    tcase_add_loop_test(tc, published_examples, 0, (int)(sizeof(examples) / sizeof(examples[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
