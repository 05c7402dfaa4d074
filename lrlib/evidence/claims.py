"""The claims that the book puts to the test, in the words of the article that makes them.

Source: *Learning Rate*, an online glossary article, last updated June 16, 2024 (``GlossaryLearningRate2024`` in the
bibliography). Every sentence is quoted letter by letter, hedges included: "can help" is a weaker claim than "helps",
and "in some cases" is met by one. A finding takes its claim from here, so no paraphrase can be tested.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A claim of the article.

    Attributes:
        id: its number, ``"C01"`` to ``"C31"``, in the order of the book's argument.
        name: a short name for headings and tables; it is not what is tested.
        sentences: what the article says, verbatim; more than one where they do not follow each other.
    """

    id: str
    name: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentences, with marks where others of the article lie between them."""
        return " […] ".join(self.sentences)


_CLAIMS = (
    Claim(
        "C01",
        "A step too large overshoots, a step too small crawls; between them is a sweet spot",
        (
            "A too-large step might overshoot the minimum of the loss function, while a too-small step could result in "
            "a painfully slow convergence. The art of setting the learning rate involves finding that sweet spot where "
            "the model learns efficiently without missing the target.",
        ),
    ),
    Claim(
        "C02",
        "Too high a rate makes the loss bounce about and diverge",
        (
            "A high learning rate in machine learning models, especially in neural networks, often leads to "
            "instability during training. This instability manifests as drastic fluctuations in loss values, making "
            "it challenging for the model to converge to an optimal solution. According to insights from Jeremy "
            "Jordan's analysis, increasing the learning rate beyond a certain threshold exacerbates this issue, "
            'causing the loss to "bounce around" and potentially diverge from the minima.',
        ),
    ),
    Claim(
        "C03",
        "Too low a rate traps a model in a local minimum",
        (
            "Conversely, a too-low learning rate might trap the model in a local minimum, preventing it from reaching "
            "the more desirable global minimum.",
        ),
    ),
    Claim(
        "C04",
        "A carefully tuned rate helps to escape local minima",
        (
            "A carefully tuned learning rate can help the model escape local minima, a common challenge in complex "
            "loss landscapes.",
        ),
    ),
    Claim(
        "C05",
        "The rate governs the size of the weight updates in backpropagation",
        (
            "During backpropagation, the learning rate directly influences how neural network weights are updated in "
            "response to the calculated error.",
            "The learning rate dictates the magnitude of the step taken towards minimizing the loss function.",
        ),
    ),
    Claim(
        "C06",
        "Learning curves show how fast each rate converges, and over- and underfitting",
        (
            "By plotting the loss over epochs, learning curves can show how quickly a model converges to its minimum "
            "loss under varying learning rates.",
            "Sharp changes or plateaus in the learning curve can indicate when a model is overfitting or underfitting, "
            "prompting adjustments to the learning rate.",
        ),
    ),
    Claim(
        "C07",
        "Momentum smooths the updates and adds inertia",
        (
            "Incorporating momentum can help smooth out the updates made by the learning rate, adding a degree of "
            "inertia that can prevent drastic changes in direction.",
        ),
    ),
    Claim(
        "C08",
        "Larger batches benefit from higher rates",
        (
            "The size of the batch can affect the optimal learning rate, with larger batches often benefiting from a "
            "higher learning rate due to more stable gradient estimates.",
        ),
    ),
    Claim(
        "C09",
        "A lower rate acts as regularization",
        (
            "In some cases, a lower learning rate can act as a form of regularization, slowing down learning enough to "
            "prevent overfitting.",
        ),
    ),
    Claim(
        "C10",
        "Schedules and adaptive rates prevent over- and underfitting",
        (
            "An adaptive approach to setting the learning rate can play a crucial role in preventing overfitting or "
            "underfitting during neural network training",
            "Employing learning rate schedules or adaptive learning rate algorithms can help maintain an appropriate "
            "balance, adjusting the learning rate based on the model's performance and training stage.",
        ),
    ),
    Claim(
        "C11",
        "Adam adapts each weight's rate and is less sensitive to fluctuations of the gradient",
        (
            "Adam Algorithm: Uses moment estimates to adapt the learning rate for each weight individually, making it "
            "less sensitive to fluctuations in the gradient.",
        ),
    ),
    Claim(
        "C12",
        "RMSprop divides by a decaying average of squared gradients, which smooths the path",
        (
            "RMSprop: Focuses on dividing the learning rate by an exponentially decaying average of squared gradients, "
            "smoothing out its trajectory towards the minimum.",
        ),
    ),
    Claim(
        "C13",
        "Step decay improves image classification",
        (
            "Experiments have shown that learning rate schedules, such as step decay, where the learning rate is "
            "reduced at specific epochs, can enhance classification accuracy.",
        ),
    ),
    Claim(
        "C14",
        "Adam became the standard for language because it adapts",
        (
            "Adaptive learning rate algorithms like Adam have become standard in training deep learning models for "
            "NLP, thanks to their ability to fine-tune learning dynamically.",
        ),
    ),
    Claim(
        "C15",
        "No single rate fits all models and data sets",
        (
            "The notion of a universal learning rate that fits all models and datasets is fundamentally flawed. "
            "Variability in dataset size, complexity, and the model architecture itself necessitates a tailored "
            "approach to setting the learning rate.",
        ),
    ),
    Claim(
        "C16",
        "The size and complexity of the data shift the best rate",
        (
            "The size and complexity of the dataset play a crucial role in determining the optimal learning rate. "
            "Large datasets with more nuanced patterns may benefit from a different learning rate strategy compared to "
            "smaller, less complex datasets.",
        ),
    ),
    Claim(
        "C17",
        "Lowering the rate near convergence refines the solution",
        (
            "As the model approaches convergence, maintaining the same learning rate might not be optimal. "
            "Implementing learning rate decay—gradually reducing the learning rate as training progresses—can refine "
            "the model's ability to fine-tune its weights.",
        ),
    ),
    Claim(
        "C18",
        "When and how to decay matters, by plan or by feedback",
        (
            "The decision-making process for when and how to adjust the learning rate involves:",
            "Scheduled Decays: Pre-planned reductions based on epochs or milestones in the training process.",
            "Adaptive Adjustments: Algorithms that automatically adjust the learning rate in response to changes in "
            "the training dynamics.",
        ),
    ),
    Claim(
        "C19",
        "Time-based, step and exponential decay each lower the rate as described",
        (
            "Time-Based Decay: Reduces the learning rate gradually over time, following a predefined schedule.",
            "Step Decay: Involves reducing the learning rate at specific epochs or after certain numbers of "
            "iterations. It's a piecewise constant approach, where the learning rate drops by a factor every few "
            "epochs.",
            "Exponential Decay: Decreases the learning rate exponentially, ensuring a smooth and gradual reduction "
            "that aligns with the diminishing returns in model performance improvement over time.",
        ),
    ),
    Claim(
        "C20",
        "Adaptive methods adjust the rate without manual tuning",
        (
            "Adaptive learning rate methods adjust the learning rate based on the training data, without requiring "
            "manual tuning.",
        ),
    ),
    Claim(
        "C21",
        "Adagrad gives larger updates to infrequent parameters",
        (
            "Adagrad: Scales the learning rate inversely proportional to the square root of the sum of all previous "
            "squared values of the gradient. This allows for larger updates for infrequent parameters.",
        ),
    ),
    Claim(
        "C22",
        "RMSprop resolves Adagrad's shrinking rate",
        (
            "RMSprop: Maintains a moving average of the square of gradients and divides the learning rate by this "
            "average, which helps to resolve Adagrad's radically diminishing learning rates.",
        ),
    ),
    Claim(
        "C23",
        "Adam combines the benefits of Adagrad and RMSprop",
        (
            "Adam: Combines the benefits of Adagrad and RMSprop, adjusting the learning rate based on a moving average "
            "of the gradient and its square, which provides an adaptive learning rate more suited to complex "
            "optimization problems.",
        ),
    ),
    Claim(
        "C24",
        "Warm-up keeps the parameters from diverging early",
        (
            "Learning Rate Warm-up: Gradually increases the learning rate from a small to a larger value. This "
            "approach helps prevent the model's parameters from diverging rapidly at the start of training.",
        ),
    ),
    Claim(
        "C25",
        "Cyclic rates avoid local minima and may converge faster",
        (
            "Cyclic Learning Rates: Cycles the learning rate between two values over a set number of epochs. This "
            "method can help to avoid local minima and potentially improve convergence speed.",
        ),
    ),
    Claim(
        "C26",
        "Starting small on a subset and raising the rate until the loss diverges finds a first rate",
        (
            "Empirical Testing: Conduct tests with a small subset of the data, starting with a small learning rate and "
            "gradually increasing it until the loss starts to diverge.",
        ),
    ),
    Claim(
        "C27",
        "The range test shows the most effective range of rates",
        (
            "Learning Rate Range Test: A systematic approach where the learning rate is increased exponentially over a "
            "few epochs; analyzing the plot of loss versus learning rate can reveal the most effective range.",
        ),
    ),
    Claim(
        "C28",
        "Automated tuning reduces manual work",
        (
            "Automated Hyperparameter Tuning Tools: Leverage machine learning itself to find optimal learning rates, "
            "reducing the need for manual experimentation.",
        ),
    ),
    Claim(
        "C29",
        "The common frameworks have schedules and adaptive rates built in",
        (
            "Libraries such as TensorFlow and PyTorch offer built-in support for adaptive learning rate methods and "
            "scheduling, simplifying their application.",
        ),
    ),
    Claim(
        "C30",
        "Research continues: adaptive and non-traditional schedules",
        (
            "The potential of adaptive learning rate methods to automatically adjust to the needs of the training "
            "process, potentially leading to faster convergence and improved overall performance.",
            "Exploration of non-traditional learning rate schedules that challenge the status quo, providing fresh "
            "perspectives on overcoming the limitations of static learning rates.",
        ),
    ),
    Claim(
        "C31",
        "The learning rate is not the 'rate of learning'",
        (
            "It's essential to distinguish between the learning rate in machine learning and the concept of 'rate of "
            "learning' in educational contexts. The former pertains strictly to an algorithm's learning process, while "
            "the latter relates to human learning speed.",
        ),
    ),
)
CLAIMS = {claim.id: claim for claim in _CLAIMS}
