"""Every error glassnet raises on purpose.

One tree, so that ``except GlassnetError`` catches all of it; each class also inherits the nearest builtin, so
that ``except ValueError`` keeps working for people who never heard of us. A message says what was being done,
where, what was expected and what was found; the hint, if there is one, says what to do about it.

    GlassnetError
    ├── ShapeError            ValueError          shapes that do not agree
    ├── DtypeError            TypeError           elements that are not numbers of a usable kind
    ├── GraphError            ValueError          steps that do not make a network
    ├── OptionError           ValueError          a choice that does not exist, a value out of its range
    ├── MissingFileError      FileNotFoundError   nothing at that path
    ├── FileFormatError       ValueError          a file that is not what it claims or needs to be
    │   ├── UnsafeFileError                       a file that asks for code to be run
    │   └── ParametersError                       arrays that do not make a network
    ├── PictureError          ValueError          a picture without a readable digit
    ├── DownloadError         OSError             a data set that could not be fetched
    ├── DivergenceError       ArithmeticError     training that produced NaN or infinity
    └── MissingLibraryError   ImportError         an optional library that is not installed
"""


class GlassnetError(Exception):
    """Base of every deliberate error; ``message`` and ``hint`` are kept apart for doors that lay them out."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.hint)


def _rebuild(kind: type[GlassnetError], message: str, hint: str) -> GlassnetError:
    return kind(message, hint=hint)


class ShapeError(GlassnetError, ValueError):
    """Shapes that do not agree: the facing dimensions of a product, a row of the wrong width."""


class DtypeError(GlassnetError, TypeError):
    """Elements that are not numbers, or not of a kind that can be computed with."""


class GraphError(GlassnetError, ValueError):
    """Steps that do not make a network: an unknown source, a name used twice."""


class OptionError(GlassnetError, ValueError):
    """A choice that does not exist, or a value outside its range."""


class MissingFileError(GlassnetError, FileNotFoundError):
    """Nothing lies at the given path."""


class FileFormatError(GlassnetError, ValueError):
    """A file that is not what it claims, or needs, to be."""


class UnsafeFileError(FileFormatError):
    """A file that asks for code to be run, or for more memory than it can justify."""


class ParametersError(FileFormatError):
    """Arrays that were read well but do not make a network."""


class PictureError(GlassnetError, ValueError):
    """A picture that cannot be read, or holds nothing to read."""


class DownloadError(GlassnetError, OSError):
    """A data set that could not be fetched."""


class DivergenceError(GlassnetError, ArithmeticError):
    """Training that produced NaN or infinity."""


class MissingLibraryError(GlassnetError, ImportError):
    """An optional library that is not installed; the hint names the extra that brings it."""
