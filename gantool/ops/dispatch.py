"""How an operator's torch.autograd.Function is reached from the layers of torch that stand above its kernels.

`torch.library.register_autograd` knows reverse mode alone: forward mode then passes the operator by and leaves zeros,
and torch.func refuses it. A `torch.autograd.Function` with setup_context, jvp and vmap serves all of them, so each
operator has one, and the operator itself leads to it: called raw or through its public function, traced or not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch._C._functorch import TransformType
from torch.autograd import forward_ad

LIBRARY: Final[Any] = torch.library.Library("gantool", "IMPL")  # type: ignore[no-untyped-call]
_FUNCTION_TRANSFORMS: Final = "FuncTorchDynamicLayerFrontMode"  # the layer that torch.func enters first


def connect(name: str, function: Any, otherwise: Callable[..., Any]) -> None:
    """Gives the operator gantool::`name` the derivatives and the batching of `function`, a torch.autograd.Function
    whose first argument is the operator itself; its forward calls :func:`below_autograd`.

    torch (2.13) drops the outer tangent where forward mode within forward mode goes through such a function, and has
    no rule for it in functionalize. `otherwise` is called in both: the same in plain torch, or an error.
    """
    op = getattr(torch.ops.gantool, name).default
    # torch binds every call's arguments to it; working it out each time would take half of the call.
    function.forward.__signature__ = inspect.signature(function.forward)

    def differentiate(*arguments: Any) -> Any:
        recording = torch.is_grad_enabled() and torch._C._any_requires_grad(*arguments)
        if recording or forward_ad._current_level >= 0:  # a dual tensor carries its tangent under no_grad too
            return function.apply(op, *arguments)
        return below_autograd(op, *arguments)

    def transform(*arguments: Any) -> Any:
        levels = [level.key() for level in torch._C._functorch.get_interpreter_stack() or ()]
        if levels.count(TransformType.Jvp) > 1 or TransformType.Functionalize in levels[-1:]:
            return otherwise(*arguments)
        return function.apply(op, *arguments)

    LIBRARY.impl(name, differentiate, "Autograd")
    LIBRARY.impl(name, transform, _FUNCTION_TRANSFORMS)


def below_autograd(op: Any, *arguments: Any) -> Any:
    """The operator's kernel, without its derivatives."""
    with torch._C._AutoDispatchBelowAutograd():
        return op(*arguments)


def autocast(name: str, cast: Callable[..., tuple[Tensor, ...]]) -> None:
    """Makes the raw operator gantool::`name` take `cast(*arguments)` where autocast is on."""
    op = getattr(torch.ops.gantool, name).default

    def lowered(*arguments: Tensor) -> Any:
        arguments = cast(*arguments)
        with torch.autocast(arguments[0].device.type, enabled=False):
            return op(*arguments)

    for device in ("CPU", "CUDA"):
        LIBRARY.impl(name, lowered, f"Autocast{device}")


def one_by_one(info: Any, in_dims: tuple[int | None, ...], op: Any, *arguments: Any) -> tuple[Any, Any]:
    """The vmap rule of an operator whose call is long enough that a loop costs nothing: one call for each entry."""
    dims = in_dims[1:]  # the first is the operator's own
    results = [
        op(*(value if dim is None else value.select(dim, i) for value, dim in zip(arguments, dims, strict=True)))
        for i in range(info.batch_size)
    ]
    if isinstance(results[0], Tensor):
        return torch.stack(results), 0
    return tuple(torch.stack(parts) for parts in zip(*results, strict=True)), (0,) * len(results[0])
