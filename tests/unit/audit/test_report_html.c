/* The writer of pages: escaping, nesting, limits. */
#include <string.h>

#include "audit/html.h"
#include "tests/support/ent_test.h"

static const char *text_of(struct ent_buf *buf)
{
    const char *text = NULL;

    ENT_OK(ent_buf_str(buf, &text));
    return text;
}

ENT_TEST(html, text_is_escaped)
{
    struct ent_html h;
    struct ent_buf out;

    ent_buf_init(&out, 4096);
    ent_html_begin(&h, &out);
    ent_html_put(&h, "p", NULL, "<script>alert('x')</script> & \"q\"");
    ENT_OK(ent_html_end(&h));
    CU_ASSERT_STRING_EQUAL(text_of(&out),
                           "<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; "
                           "&quot;q&quot;</p>");
    ent_buf_release(&out);
}

ENT_TEST(html, attributes_are_escaped)
{
    const struct ent_html_attribute attributes[] = {{"aria-label", "\" onload=\"x' <b>"},
                                                    {NULL, NULL}};
    struct ent_html h;
    struct ent_buf out;

    ent_buf_init(&out, 4096);
    ent_html_begin(&h, &out);
    ent_html_void(&h, "meta", attributes);
    ent_html_open_with(&h, "div", attributes);
    ent_html_close(&h);
    ENT_OK(ent_html_end(&h));
    CU_ASSERT_STRING_EQUAL(text_of(&out),
                           "<meta aria-label=\"&quot; onload=&quot;x&#39; &lt;b&gt;\" />"
                           "<div aria-label=\"&quot; onload=&quot;x&#39; &lt;b&gt;\"></div>");
    ent_buf_release(&out);
}

/* What steers a terminal, turns the direction of writing or is no UTF-8 is replaced, byte by byte; what is
 * around it stays. */
ENT_TEST(html, unprintable_is_replaced)
{
#define BAD "\xEF\xBF\xBD"
    static const char *const cases[][2] = {
        {"caf\xC3\xA9 \xE2\x82\xAC", "caf\xC3\xA9 \xE2\x82\xAC"},
        {"a\x1B[31mb", "a" BAD "[31mb"},
        {"a\xE2\x80\xAE"
         "b",
         "a" BAD BAD BAD "b"},
        {"\xC3", BAD},
        {"\xC0\xBCscript", BAD BAD "script"},
        {"\xF0\x9F\x98", BAD BAD BAD},
        {"\xFF\xFE<", BAD BAD "&lt;"},
        {"one\ntwo\r", "one\ntwo" BAD},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ent_html h;
        struct ent_buf out;

        ent_buf_init(&out, 4096);
        ent_html_begin(&h, &out);
        ent_html_text(&h, cases[i][0]);
        ENT_OK(ent_html_end(&h));
        CU_ASSERT_STRING_EQUAL(text_of(&out), cases[i][1]);
        ent_buf_release(&out);
    }
#undef BAD
}

ENT_TEST(html, formatted_text_is_escaped_whole)
{
    char name[2000];
    struct ent_html h;
    struct ent_buf out;
    size_t n_less = 0;

    memset(name, '<', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ent_buf_init(&out, 65536);
    ent_html_begin(&h, &out);
    ent_html_putf(&h, "b", "w", "%s%d", "<", 7);
    ent_html_textf(&h, "%s", name); /* longer than any fixed buffer */
    ENT_OK(ent_html_end(&h));
    CU_ASSERT_EQUAL(strncmp(text_of(&out), "<b class=\"w\">&lt;7</b>", 22), 0);
    for (const char *at = text_of(&out); (at = strstr(at, "&lt;")) != NULL; at += 4) {
        n_less++;
    }
    CU_ASSERT_EQUAL(n_less, sizeof name);
    ent_buf_release(&out);
}

ENT_TEST(html, a_full_buffer_is_an_error_that_stays)
{
    struct ent_html h;
    struct ent_buf out;

    ent_buf_init(&out, 16);
    ent_html_begin(&h, &out);
    ent_html_open(&h, "section", NULL);
    ent_html_text(&h, "more than fits into it");
    ent_html_close(&h);
    ENT_FAILS(ent_html_end(&h), ENT_E_LIMIT);
    ent_buf_release(&out);
}
