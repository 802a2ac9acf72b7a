"""Make the shipped model ``digits``: ``python recipes/digits.py``, about five minutes on one core.

784-50-100-10, the sizes of the textbook's network, trained on MNIST's 60,000 training images. Every round shows
each image once, turned, slanted, stretched, moved, and drawn with a thicker or thinner pen, each time by other
random amounts; the learning rate falls from round to round. Everything here was chosen with ``--hold-out``, which
keeps 10,000 training images back and says how well they are read. The test images are looked at once, at the end
of the run that writes the model. The same machine and libraries make the same bytes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

import glassnet
from glassnet import Input, Network
from glassnet.activations import Array
from glassnet.datasets import load_mnist
from glassnet.training import AdamW, CrossEntropy, initialise, train

MODEL = Path(__file__).parents[1] / "src" / "glassnet" / "digits" / "models" / "digits.safetensors"
SEED = 1
ROUNDS = 200
RATE = 0.003
HELD_OUT = 10_000

# The largest amounts of each distortion; a pen is thickened or thinned in so large a share of the images.
TURN_DEGREES = 15
STRETCH = 0.15
SLANT = 0.2
MOVE_PIXELS = 2.0
OTHER_PEN = 0.4

SIDE = 28
CENTRE = np.full(2, (SIDE - 1) / 2)
THICKER = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
THINNER = np.ones((2, 2), np.uint8)


def distorted(images: Array, generator: np.random.Generator) -> Array:
    """Return each image (n, 28, 28) as the same digit might have been written another time."""
    count = len(images)
    turn = np.radians(generator.uniform(-TURN_DEGREES, TURN_DEGREES, count))
    stretch = np.exp(generator.uniform(-STRETCH, STRETCH, (count, 2)))
    slant = generator.uniform(-SLANT, SLANT, count)
    move = generator.uniform(-MOVE_PIXELS, MOVE_PIXELS, (count, 2))
    pen = generator.random(count)
    result = np.empty_like(images)
    for i, image in enumerate(images):
        drawn = image
        if pen[i] < OTHER_PEN / 2:
            drawn = cv2.dilate(image, THICKER)
        elif pen[i] < OTHER_PEN:
            drawn = cv2.erode(image, THINNER)
        cos, sin = np.cos(turn[i]), np.sin(turn[i])
        matrix = np.array([[cos, -sin], [sin, cos]]) @ [[stretch[i, 0], slant[i]], [0, stretch[i, 1]]]
        around_centre = np.column_stack([matrix, CENTRE - matrix @ CENTRE + move[i]])
        cv2.warpAffine(drawn, around_centre, (SIDE, SIDE), dst=result[i], flags=cv2.INTER_LINEAR)
    return result


def trained(images: Array, labels: Array) -> Network:
    """Return the network after all rounds on ``images``."""
    generator = np.random.Generator(np.random.PCG64(SEED))
    network = initialise((SIDE * SIDE, 50, 100, 10), hidden="relu", seed=SEED)
    network = network.replace(inputs=Input((SIDE * SIDE,), scale=1 / 255))
    for number in range(ROUNDS):
        training = train(
            network,
            distorted(images, generator),
            labels,
            loss=CrossEntropy(),
            optimizer=AdamW(RATE * (1 - number / ROUNDS)),
            epochs=1,
            batch_size=128,
            seed=number,
        )
        network = training.network
        print(f"round {number + 1} of {ROUNDS}: loss {training.history[0].loss:.4f}", flush=True)
    return network


def centred(network: Network) -> Network:
    """Return the same function with scores that have mean 0: softmax sees only how they differ.

    In a trace, what speaks for the answer then stands above 0, what speaks against the others below.
    """
    *before, last = network.layers
    weights = last.weights - last.weights.mean(axis=1, keepdims=True)
    return network.replace(steps=(*before, replace(last, weights=weights, bias=last.bias - last.bias.mean())))


def main() -> None:
    """Make the model, or with --hold-out judge the choices above."""
    parser = argparse.ArgumentParser(description="Make the shipped model digits.")
    parser.add_argument(
        "--hold-out", action="store_true", help="train on 50,000 images, judge by the others, save nothing"
    )
    hold_out = parser.parse_args().hold_out
    cv2.setNumThreads(1)
    (images, labels), (test_images, test_labels) = load_mnist(normalize=False)
    images = images.reshape(-1, SIDE, SIDE)

    def accuracy(network: Network, images: Array, labels: Array) -> float:
        return float((network.predict(images) == labels).mean())

    if hold_out:
        network = trained(images[:-HELD_OUT], labels[:-HELD_OUT])
        kept, answers = images[-HELD_OUT:], labels[-HELD_OUT:]
        print(f"held out: {accuracy(network, kept, answers):.4f}")
        again = distorted(kept, np.random.Generator(np.random.PCG64(0)))
        print(f"held out, distorted: {accuracy(network, again, answers):.4f}")
        return
    network = centred(trained(images, labels))
    MODEL.parent.mkdir(exist_ok=True)
    glassnet.save(network, MODEL)
    print(f"{MODEL}: {MODEL.stat().st_size:,} bytes, test accuracy {accuracy(network, test_images, test_labels):.4f}")


if __name__ == "__main__":
    main()
