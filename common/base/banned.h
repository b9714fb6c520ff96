/* Calls that do not compile in our code. Included last by .c files through lint
 * (tests/lint/banned.sh greps as well): each has a form that checks its bounds, its errors or its
 * thread safety. */
#ifndef ENT_COMMON_BASE_BANNED_H
#define ENT_COMMON_BASE_BANNED_H

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atof gets rand srand gmtime     \
    localtime asctime ctime tmpnam mktemp strncat alloca setenv

#endif
