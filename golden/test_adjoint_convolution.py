import jax
import jax.numpy as jnp
from jax import lax


def convolution_vjp(image, kernel, *, y_bar):
    """Value and cotangents of `convolution` (readable.py:148) with respect to image and kernel."""
    y, residuals = convolution_fwd(image, kernel)
    return y, convolution_bwd(residuals, y_bar)


def convolution_fwd(image, kernel):
    y = lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jax.nn.relu(y), (image, kernel, y)


def convolution_bwd(residuals, y_bar):
    image, kernel, y = residuals
    _, conv_general_dilated_vjp = jax.vjp(
        lambda image, kernel: lax.conv_general_dilated(
            image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        image,
        kernel,
    )
    image_bar, kernel_bar = conv_general_dilated_vjp(jnp.where(y > 0, y_bar, 0))
    return image_bar, kernel_bar
