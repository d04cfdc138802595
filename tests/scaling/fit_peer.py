"""Checks fits of the program (fit_peer's output) with other means: the objective is written again from its definition, and
minimised by another method (reweighted least squares with differences for derivatives, from points around the program's and
from elsewhere). No minimum may be lower, and the one from the program's point must be the program's.
Usage: fit_peer.py PROGRAM. Exit 77 without numpy."""
import json
import subprocess
import sys

try:
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing} ({sys.executable}; PYTHON names another one)")
    sys.exit(77)

# law -> E?, and for each term: column of [size, samples, steps], unit, sign of the exponent; "product" is size x steps
LAWS = {
    "chinchilla": (True, [("size", 1, -1), ("samples", 1, -1)]),
    "uni-mol2": (False, [("size", 1e6, 1), ("steps", 1, 1), ("product", 1e6, 1)]),
    "power": (True, [("samples", 1, -1)]),
}


class Table:
    def __init__(self, line):
        self.__dict__.update(line)
        size, samples, steps, self.losses = np.array(self.rows).T
        columns = {"size": size, "samples": samples, "steps": steps, "product": size * steps}
        self.offset, self.terms = LAWS[self.law]
        self.logs = [np.log(columns[name] / unit) for name, unit, _ in self.terms]
        self.signs = [sign for _, _, sign in self.terms]

    def law_loss(self, theta):
        loss = theta[0] if self.offset else 0
        for k, (log, sign) in enumerate(zip(self.logs, self.signs)):
            c, p = theta[self.offset + 2 * k : self.offset + 2 * k + 2]
            loss = loss + c * np.exp(sign * p * log)
        return loss

    def residual(self, theta):
        return np.log(self.losses) - np.log(self.law_loss(theta))

    def objective_at(self, theta):
        r = np.abs(self.residual(theta))
        return np.where(r <= self.delta, r**2 / 2, self.delta * (r - self.delta / 2)).sum()

    # free coordinates: log of E and of each term at its mean log, and the exponents
    def to_free(self, theta):
        free = np.array(theta, float)
        if self.offset:
            free[0] = np.log(theta[0])
        for k, (log, sign) in enumerate(zip(self.logs, self.signs)):
            c = self.offset + 2 * k
            free[c] = np.log(theta[c]) + sign * theta[c + 1] * log.mean()
        return free

    def from_free(self, free):
        theta = np.array(free, float)
        if self.offset:
            theta[0] = np.exp(free[0])
        for k, (log, sign) in enumerate(zip(self.logs, self.signs)):
            c = self.offset + 2 * k
            theta[c] = np.exp(free[c] - sign * free[c + 1] * log.mean())
        return theta

    def minimise(self, free):
        """Huber's function by reweighting: each round is a damped least-squares step."""
        f = lambda u: self.objective_at(self.from_free(u))
        best, damping = f(free), 1e-3
        for _ in range(3000):
            r = self.residual(self.from_free(free))
            weight = np.minimum(1, self.delta / np.maximum(np.abs(r), 1e-300))
            jacobian = np.empty((len(r), len(free)))
            for p in range(len(free)):
                step = np.zeros(len(free))
                step[p] = 1e-6
                up, down = self.residual(self.from_free(free + step)), self.residual(self.from_free(free - step))
                jacobian[:, p] = (up - down) / 2e-6
            normal = jacobian.T @ (weight[:, None] * jacobian)
            right = -jacobian.T @ (weight * r)
            before = best
            while damping < 1e12:
                trial = free + np.linalg.solve(normal + damping * np.diag(normal.diagonal() + 1e-12), right)
                value = f(trial)
                if value < best:
                    free, best, damping = trial, value, damping / 5
                    break
                damping *= 5
            if not best < before * (1 - 1e-12):
                break
            damping = min(damping, 1e3)
        return best, self.from_free(free)


def check(table, random):
    name = f"{table.law}, delta {table.delta:g}"
    again = table.objective_at(table.theta)
    assert abs(again / table.objective - 1) < 1e-10, f"{name}: objective {again:.12g}, the program says {table.objective:.12g}"
    at = table.to_free(table.theta)
    value, theta = table.minimise(at)
    assert value > table.objective * (1 - 1e-8), f"{name}: {value:.12g} next to it is lower than {table.objective:.12g}"
    # parameters that the data tie only loosely move a little at the same objective
    assert np.allclose(theta, table.theta, rtol=1e-3), f"{name}: {theta} instead of {table.theta}"
    for i in range(6):
        start = at + random.normal(size=len(at)) * (0.02 if i < 3 else 0.3)
        value, theta = table.minimise(start)
        assert value > table.objective * (1 - 1e-8), f"{name}: {value:.12g} at {theta} is lower than {table.objective:.12g}"
    print(f"{name}: objective {table.objective:.10g} at {table.theta}")


output = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout
generator = np.random.default_rng(1)
tables = [Table(json.loads(line)) for line in output.splitlines()]
assert len(tables) == 5
for one in tables:
    check(one, generator)
