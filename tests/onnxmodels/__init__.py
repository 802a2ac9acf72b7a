"""Makers of ONNX models, and glassnet as a backend of the ONNX project's tests."""
