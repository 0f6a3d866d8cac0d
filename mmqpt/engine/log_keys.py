"""What the keys of a training log mean."""

from __future__ import annotations

LOG_KEYS = {
    'loss': 'of pre-training, QC-Loss without the anchor; of fine-tuning, the sum of all terms',
    'chance_level': 'log(1 + negatives, weighted by degradation_share): QC-Loss where no two patches are told apart; '
    'grows with the queue',
    'acc_degradation': 'how often the positive is closer than every patch of the same photo under another recipe',
    'gain_degradation': 'acc_degradation less that of the features at the start: what training adds',
    'acc_recipe': 'as acc_degradation, for patches of other photos under the same recipe',
    'acc_content': 'how often the positive is closer than every patch of other photos',
    'sim_positive': 'mean cosine of queries and their positives',
    'sim_degradation': 'mean cosine of queries and patches of the same photo under another recipe',
    'sim_content': 'mean cosine of queries and patches of other photos',
    'mass_degradation': 'share of what the negatives weigh in the loss that is on degradation-based ones',
    'embedding_rank': 'how many directions the queries of a step use (RankMe)',
    'embedding_similarity': 'mean cosine of two queries of a step; near 1 the embeddings have collapsed',
    'queue_fill': 'share of the queue that is filled',
    'queue_age': 'mean age of the keys in the queue, in steps',
    'anchor_loss': 'how far features strayed from those of the network at the start, weighted',
    'grad_norm': 'length of the gradient before clipping',
    'skipped_steps': 'steps so far whose loss or gradients were not finite',
    'lr': 'learning rate',
    'momentum': 'of the optimiser',
    'time': 's a step',
    'data_time': 's of it that the step waited for photos',
    'memory': 'MiB of GPU memory at most',
}
"""What a key of the log means; of the others, those that end with ``_loss`` are terms of the loss."""


def meaning_of(key: str) -> str:
    """What a key of the log means."""
    if key.startswith('val/'):
        return f'{key.split("/")[-1]} on the validation part'
    return LOG_KEYS.get(key) or ('a term of the loss' if key.endswith('_loss') else '')
