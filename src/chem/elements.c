#include "chem/elements.h"

#include <strings.h>

// Two characters each.
static const char symbols[] = "H HeLiBeB C N O F NeNaMgAlSiP S ClArK CaScTiV CrMnFeCoNiCuZnGaGeAsSeBrKrRbSrY "
                              "ZrNbMoTcRuRhPdAgCdInSnSbTeI Xe"
                              "CsBaLaCePrNdPmSmEuGdTbDyHoErTmYbLuHfTaW ReOsIrPtAuHgTlPbBiPoAtRnFrRaAcThPaU "
                              "NpPuAmCmBkCfEsFmMdNoLrRfDbSgBhHsMt"
                              "DsRgCnNhFlMcLvTsOg";
_Static_assert(sizeof symbols == 2 * TT_ELEMENTS + 1, "two characters an element");

int tt_element_number(const char *symbol, size_t length) {
  if (length < 1 || length > 2) return 0;
  const char wanted[3] = {symbol[0], length == 2 ? symbol[1] : ' ', 0};
  for (int k = 0; k < TT_ELEMENTS; k++)
    if (strncasecmp(symbols + 2 * k, wanted, 2) == 0) return k + 1;
  return 0;
}
