// Linear algebra of a law's few parameters, some of which may be out of play.
#ifndef TT_SCALING_DENSE_H
#define TT_SCALING_DENSE_H

#include <stdbool.h>

enum { TT_N = 7 }; // as many as a law can have

// a + diag(add) = L L' over the coordinates in play of a symmetric [n][n] matrix; false where it is not
// positive definite.
bool tt_cholesky(double a[TT_N][TT_N], const double *add, const bool *active, int n, double l[TT_N][TT_N]);

// Solves L L' x = b; coordinates out of play become 0.
void tt_cholesky_solve(double l[TT_N][TT_N], const bool *active, int n, const double *b, double *x);

// Eigenvalues of a symmetric [n][n] matrix and, in the columns of vector, its eigenvectors. Destroys a.
void tt_eigen(double a[TT_N][TT_N], int n, double *value, double vector[TT_N][TT_N]);

#endif
