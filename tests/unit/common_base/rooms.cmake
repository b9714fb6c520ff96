# As in a program, so that the commit is in it.
ent_commit(test_common_base)
