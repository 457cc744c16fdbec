"""Learning to optimise: search for update rules, learned optimisers, unrolled solvers.

Rooms
    l2o.rules       update rules as programs: run, tried on problems, evolved
    l2o.optim       update rules as PyTorch optimizers, also as source that needs PyTorch alone
    l2o.learned     learned optimizers: networks meta-trained to train other networks
    l2o.halo        learned optimizers that skip tensors to save energy
    l2o.maml        meta-learning: starts from which few steps learn a task
    l2o.hypergrad   gradients of a validation loss by learning rates, momenta and the like
    l2o.unrolled    unrolled sparse solvers, learned swarms and games, plug-and-play ADMM

``l2o`` imports ``automl_zero``, never ``nas``. ``l2o.rules`` works without PyTorch.
"""
