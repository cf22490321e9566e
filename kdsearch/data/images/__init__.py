"""Image data: CIFAR, STL10, Pascal VOC, folders of images, and clips as images."""
