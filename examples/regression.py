"""Learn a curve from points on it: ``python examples/regression.py``."""

import numpy as np

from glassnet.training import Adam, MeanSquaredError, initialise, train

x = np.linspace(-np.pi, np.pi, 400, dtype=np.float32)[:, np.newaxis]
start = initialise((1, 32, 1), hidden="tanh", output="identity", seed=0)
training = train(
    start,
    x,
    np.sin(x),
    loss=MeanSquaredError(),
    optimizer=Adam(0.01),
    epochs=400,
    batch_size=50,
)

for angle in (-2.0, -1.0, 0.0, 1.0, 2.0):
    print(f"sin({angle:4.1f}) = {np.sin(angle):6.3f}, learned {training.network([angle])[0]:6.3f}")
print(f"mean squared error {training.history[-1].loss:.6f} after {len(training.history)} epochs")
