// Elements by their symbols.
#ifndef TT_CHEM_ELEMENTS_H
#define TT_CHEM_ELEMENTS_H

#include <stddef.h>

enum { TT_ELEMENTS = 118 };

// Atomic number of "C", "Cl", ... (small and capital letters are one); 0: no element's symbol.
int tt_element_number(const char *symbol, size_t length);

#endif
