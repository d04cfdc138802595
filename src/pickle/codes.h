// The codes of a pickle that are read, by the names of Python's pickletools.
#ifndef TT_PICKLE_CODES_H
#define TT_PICKLE_CODES_H

enum { PROTO = 0x80, FRAME = 0x95, STOP = '.' };                     // of the whole
enum { MARK = '(', POP = '0', POP_MARK = '1', DUP = '2' };           // of the stack
enum { PUT = 'p', BINPUT = 'q', LONG_BINPUT = 'r', MEMOIZE = 0x94 }; // into the memo
enum { GET = 'g', BINGET = 'h', LONG_BINGET = 'j' };                 // from it

enum { NONE = 'N', NEWTRUE = 0x88, NEWFALSE = 0x89 };
enum { INT = 'I', BININT = 'J', BININT1 = 'K', BININT2 = 'M', LONG = 'L', LONG1 = 0x8a, LONG4 = 0x8b };
enum { FLOAT = 'F', BINFLOAT = 'G' };
enum { UNICODE = 'V', BINUNICODE = 'X', SHORT_BINUNICODE = 0x8c, BINUNICODE8 = 0x8d };
enum { STRING = 'S', BINSTRING = 'T', SHORT_BINSTRING = 'U' };
enum { BINBYTES = 'B', SHORT_BINBYTES = 'C', BINBYTES8 = 0x8e, BYTEARRAY8 = 0x96 };

enum { EMPTY_TUPLE = ')', TUPLE = 't', TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87 };
enum { EMPTY_LIST = ']', LIST = 'l', APPEND = 'a', APPENDS = 'e' };
enum { EMPTY_SET = 0x8f, ADDITEMS = 0x90, FROZENSET = 0x91 };
enum { EMPTY_DICT = '}', DICT = 'd', SETITEM = 's', SETITEMS = 'u' };

enum { GLOBAL = 'c', STACK_GLOBAL = 0x93, BINPERSID = 'Q' }; // names of things that are not in the pickle
enum { REDUCE = 'R', NEWOBJ = 0x81, NEWOBJ_EX = 0x92, BUILD = 'b' }; // objects made of them

#endif
