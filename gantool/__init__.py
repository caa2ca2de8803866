"""Generative Adversarial Nets (Goodfellow et al. 2014), reproduced and measured."""

from __future__ import annotations

__version__ = "0.1.0"
