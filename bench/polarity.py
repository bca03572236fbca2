"""Pairs that look alike and mean something else: none may be accepted. Made by rule, not labelled.

Two sources: sentences written here with one slot changed (`written`), and real texts with one word
changed (`changed`). `dressed` then hides the flip under harmless differences (articles, politeness,
capitals, contractions), because a guard that reads only plain sentences would be no guard.
"""

import random
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

Flip = tuple[str, str, str]  # kind, one text, the other

# A slot and what may stand in it; any two of a line differ in meaning.
_SLOTS: list[tuple[str, str, str]] = [
    ("negation", "The deployment {} finished on the second server.", "has|has not|has never"),
    ("negation", "{} use this port for the database?", "Should I|Shouldn't I"),
    ("negation", "Why {} my phone charge overnight?", "does|doesn't"),
    ("negation", "{} reason to restart the node.", "There is a|There is no|There isn't any"),
    (
        "negation",
        "The user {} to receive e-mails.",
        "wants|does not want|never wants|no longer wants",
    ),
    ("negation", "What {} be stored in the cache?", "can|cannot|should|should not"),
    ("negation", "Is it {} to eat raw eggs?", "safe|unsafe|not safe|never safe"),
    ("negation", "Deploy {} approval.", "with|without"),
    ("negation", "How do I sleep {} medication?", "with|without"),
    ("negation", "How can I {} the warning?", "ignore|not ignore"),
    ("negation", "{} replied to the letter.", "Everybody|Nobody|Somebody|Hardly anybody"),
    ("negation", "She is {} happy with the result.", "really|not really|hardly"),
    ("antonym", "How do I {} notifications?", "enable|disable"),
    ("antonym", "How do I {} the heap size of the JVM?", "increase|decrease|keep"),
    ("antonym", "What makes prices {}?", "rise|fall"),
    ("antonym", "How do I {} weight quickly?", "gain|lose"),
    ("antonym", "What are the {} of solar power?", "advantages|disadvantages|pros|cons"),
    (
        "antonym",
        "What is the {} way to learn English?",
        "best|worst|slowest|fastest|easiest|hardest",
    ),
    ("antonym", "The valve is {}.", "open|closed"),
    ("antonym", "How can I {} a file on Linux?", "encrypt|decrypt|delete|create"),
    ("antonym", "Is the {} limit 20 requests?", "upper|lower"),
    ("antonym", "How do you {} a Facebook account?", "activate|deactivate|reactivate"),
    ("antonym", "Why do people {} cats?", "love|hate"),
    ("antonym", "What causes {} blood pressure?", "high|low"),
    ("antonym", "What is an {} function?", "odd|even"),
    ("antonym", "The test {} on the main branch.", "passed|failed"),
    ("antonym", "How do I {} the service?", "start|stop|restart"),
    ("antonym", "{} the request.", "Approve|Reject|Accept|Deny"),
    ("antonym", "How do I {} users to the group?", "add|re-add|invite"),
    ("antonym", "How should I {} bitcoin?", "buy|sell"),
    ("antonym", "What is {} migration?", "legal|illegal"),
    ("antonym", "How does one become {}?", "religious|irreligious|rich|poor"),
    ("antonym", "Is the earth {}?", "flat|round"),
    ("antonym", "What is {}cellular respiration?", "intra|extra|inter"),
    ("antonym", "What is a {}-viral drug?", "anti|pro"),
    ("antonym", "Who {} the match?", "won|lost"),
    ("antonym", "How do I {} from work?", "leave|return"),
    ("antonym", "How do I {} money from my friend?", "borrow|steal|get"),
    ("antonym", "The {} page of the book is missing.", "first|last|next|previous"),
    ("number", "The limit is {} requests per second.", "10|100|1,000|1.000|12|20|ten thousand"),
    ("number", "What is the best phone below {}?", "15k|20k|15000 dollars|1500|25000 rupees"),
    ("number", "It is {} degrees outside.", "5|-5|50|0.5|15"),
    ("number", "What happened in {}?", "1992|2002|2012|1929|the 1990s|90"),
    ("number", "The meeting is at {}.", "3 pm|3 am|4 pm|15:30|13:30"),
    ("number", "What is {} of 80?", "5%|15%|50%|a third"),
    ("number", "Version {} broke the build.", "3.1|3.11|3.10|2.1|31"),
    ("number", "He has {} children.", "two|three|four|no|many|few|a few"),
    ("number", "Pay {} to Maria.", "$50|€50|£50|$500|$5.0"),
    ("number", "What is 7 {} 3?", "+|-|*|/|%"),
    ("number", "Is x {} y?", "<|>|=|<=|!="),
    ("unit", "The parcel weighs 5 {}.", "kg|g|pounds|tons|mg"),
    ("unit", "The timeout is 30 {}.", "ms|s|seconds|minutes|hours"),
    ("unit", "How many {} is 5 miles?", "kilometres|metres|feet|centimeters"),
    ("unit", "The disk has 500 {}.", "MB|GB|TB|KB|Mb"),
    ("unit", "It is 20 degrees {} today.", "Celsius|Fahrenheit"),
    (
        "name",
        "When was {} born?",
        "Marie Curie|Pierre Curie|Albert Einstein|Adam Smith|Adams Smith",
    ),
    (
        "name",
        "What is the capital of {}?",
        "Austria|Australia|Niger|Nigeria|Iran|Iraq|North Korea|South Korea",
    ),
    ("name", "How do I learn {}?", "C|C++|C#|Java|JavaScript|Go|R|F#|.NET|Objective-C"),
    ("name", "Remind {} about the invoice.", "Anna|Anne|Hanna|John|Joan|Johns|Johnson"),
    ("name", "How do I move to {}?", "the US|the UK|the EU|us"),
    ("name", "Is {} a good university?", "MIT|NIT|IIT|IIIT"),
    ("name", "How good is {}?", "the iPhone 6|the iPhone 6s|the iPhone 7|Galaxy S6|Galaxy S7"),
    ("name", "What is vitamin {}?", "A|B|C|D|B12|B6"),
    ("name", "Does {} help us?", "it|IT|WHO|who"),
    ("name", "Is {} expensive?", "Apple|an orange|Windows|a window"),
    ("date", "The contract ends on {}.", "3 May 2024|3 March 2024|4 May 2024|3 May 2025|May 2024"),
    ("date", "Our next call is on {}.", "Monday|Tuesday|Friday|Sunday"),
    ("date", "The flight leaves {}.", "today|tomorrow|tonight|next week|next month|last week"),
    ("direction", "How do I fly from {}?", "Paris to Rome|Rome to Paris"),
    ("direction", "Convert {}.", "euros to dollars|dollars to euros"),
    ("direction", "How can I convert {}?", "PDF to Word|Word to PDF"),
    ("direction", "{} sued Samsung.|Samsung sued {}.", "Apple"),
    ("direction", "Did {} beat Italy?|Did Italy beat {}?", "Spain"),
    ("direction", "Is {} better than React?|Is React better than {}?", "Vue"),
    ("direction", "Alice owes {} ten dollars.|{} owes Alice ten dollars.", "Bob"),
    ("direction", "Why do dogs chase {}?|Why do {} chase dogs?", "cats"),
    ("direction", "Do tall girls like short {}?|Do short girls like tall {}?", "boys"),
    ("direction", "Subtract A from {}.|Subtract {} from A.", "B"),
    (
        "direction",
        "What is the difference between going from {} to A and A to C?"
        "|What is the difference between going from A to {} and A to C?",
        "B",
    ),
    (
        "direction",
        "What is the ratio between men and {}?|What is the ratio between {} and men?",
        "women",
    ),
    ("direction", "Turn {} at the light.", "left|right"),
    ("direction", "The arrow points {}.", "up|down|upward|downward"),
    ("direction", "The book is {} the table.", "on|under|over|beside|above|below|behind"),
    ("direction", "Go {} the house.", "into|out of|in|out"),
    ("direction", "Messages {} my boss.", "to|from|about|for"),
    ("direction", "{} the server to the client.|The client to {} server.", "the"),
    (
        "quantifier",
        "{} students passed the exam.",
        "All|Some|No|Most|Few|A few|Many|Not all|Only some",
    ),
    ("quantifier", "{} of the tests are green.", "All|Some|None|Half|Most|Both|Neither"),
    ("quantifier", "I have {} time.", "little|a little|no|much"),
    ("quantifier", "{} cats are black?", "Are all|Are some|Are no|Are most"),
    ("quantifier", "{} people speak Dutch.", "A number of|The number of|Few|A few|Only"),
    ("quantifier", "Is water {} in the desert?", "always|never|sometimes|often|rarely|seldom"),
    (
        "quantifier",
        "The price is {} 100 euros.",
        "at least|at most|more than|less than|exactly|about",
    ),
    ("quantifier", "{} admins can log in.", "Only|Also|Even|Not only"),
    ("time", "Wash your hands {} eating.", "before|after|while|without"),
    ("time", "Open {} noon.", "until|after|before|since|from"),
    ("time", "She {} in Berlin.", "lives|lived|will live|has lived|used to live"),
    ("time", "The company {} profitable.", "is|was|will be|has been|is not"),
    ("time", "What {} the president say?", "did|does|will|would|should"),
    ("time", "Is it {} raining?", "still|already|not yet|no longer"),
    ("time", "The shop {} at nine.", "opens|opened|will open|closes"),
    ("time", "What did he do {}?", "yesterday|today|the day before yesterday"),
    ("question", "{} did the war begin?", "When|Where|Why|How"),
    ("question", "{} is the owner of the shop?", "Who|What|Where|When"),
    ("question", "How {} is the bridge?", "long|old|high|wide|far"),
    ("question", "How {} salt is in bread?", "much|little"),
    ("question", "{} I pay taxes?", "How do|Do|Why do|When do|Where do|How much do"),
    ("question", "{} jellyfish change colour?", "Do|How do|Why do|When do"),
    ("question", "{} paid for lunch.", "Who|He|She|They"),
    ("question", "{} the cheapest phone?", "What is|Where is|Who has|Why is"),
    ("modality", "You {} restart the server.", "must|may|should|can|need not|must not|might|could"),
    ("modality", "How {} I reply to this letter?", "can|should|must|did|might"),
    ("modality", "He {} win.", "will|might|would|may|can|could"),
    ("modality", "It is {} that it rains.", "possible|certain|impossible|likely|unlikely"),
    ("modality", "What {} I do after school?", "should|can|could|must|did"),
    (
        "modality",
        "{} to answer.",
        "You are allowed|You are not allowed|You are obliged|You forgot|You refused",
    ),
    ("comparative", "Which is the {} phone?", "better|best|worse|worst|good|bad|cheaper|cheapest"),
    ("comparative", "Is copper {} than iron?", "harder|softer|heavier|lighter|less hard|more hard"),
    (
        "comparative",
        "What is the {} city in Europe?",
        "largest|smallest|second largest|large|oldest|newest",
    ),
    ("comparative", "Who has {} money?", "more|less|the most|the least"),
    ("person", "Why does {} lie?", "he|she|it"),
    ("person", "Is {} brother older?", "his|her|my|your|their"),
    ("person", "The {} won the race.", "man|woman|boy|girl|king|queen|actor|actress"),
    ("person", "{} should apologise.", "I|You|We|They|He"),
    ("person", "How do {} feel after the exam?", "I|you|they|we"),
    ("person", "What are good names for a {}?", "boy|girl|male dog|female dog"),
    ("person", "{} called {}.", "He|She"),
    ("logic", "Tea {} coffee.", "and|or|without|not|but not|instead of"),
    ("logic", "Restart {} it fails.", "if|unless|only if|until|even if"),
    ("logic", "{} it rained, we went out.", "Because|Although|If|Unless"),
    ("logic", "It works {} the cache.", "because of|despite|without|except for"),
    ("logic", "{} either key.", "Use|Do not use|Never use"),
    ("logic", "{} stop.", "Don't|Do|Never"),
    ("sense", "What is {}?", "accounting|accountancy|an account|an accountant"),
    ("sense", "What is {}?", "mechanism|mechanics|a mechanic"),
    ("sense", "What does {} mean?", "integral|integrity|integration"),
    ("sense", "Is {} toxic?", "ethane|ethene|methane|methanol|ethanol"),
    ("sense", "Where are my {}?", "glasses|glass|pants|goods|arms"),
    ("sense", "What is {} heat?", "endothermic|exothermic"),
    ("sense", "Does he have {}thyroidism?", "hypo|hyper"),
    ("sense", "What is {} tax?", "import|export|income|sales"),
    ("sense", "{} the price?", "What was|What is|What will be|Why was"),
]

_SWAPS = {
    "antonym": "best/worst good/bad increase/decrease gain/lose buy/sell high/low big/small "
    "black/white old/new rich/poor happy/sad fast/slow hot/cold strong/weak easy/difficult "
    "easier/harder longest/shortest start/stop advantages/disadvantages pros/cons "
    "positive/negative love/hate right/wrong true/false safe/dangerous legal/illegal "
    "possible/impossible open/close up/down left/right inside/outside more/less most/least "
    "better/worse first/last early/late day/night summer/winter import/export",
    "person": "he/she his/her him/her man/woman men/women boy/girl boys/girls male/female "
    "husband/wife girlfriend/boyfriend father/mother brother/sister",
    "question": "who/what when/where why/how where/why who/when",
    "modality": "can/should should/must will/would may/must could/must can/must",
    "time": "is/was are/were was/is were/are will/did before/after after/before past/future "
    "now/later yesterday/tomorrow",
    "quantifier": "all/some some/all always/never never/always many/few every/no any/no "
    "both/neither only/also",
    "direction": "to/from from/to with/without into/from over/under on/under",
    "logic": "and/or or/and if/unless because/although",
}
_AUX = re.compile(
    r"\b(is|are|was|were|can|could|should|would|will|does|do|did|has|have)\b", re.IGNORECASE
)
_NUMBER = re.compile(r"\d+")
_FROM_TO = re.compile(r"\bfrom (\w+) to (?!\1\b)(\w+)\b", re.IGNORECASE)
_THAN = re.compile(r"\b(\w+) (is|are) (\w+ than) (\w+)\b", re.IGNORECASE)


def written() -> Iterator[Flip]:
    """Every two fillings of every sentence above."""
    for kind, frame, fillings in _SLOTS:
        if "|" in frame:
            one, two = frame.split("|")
            yield kind, one.replace("{}", fillings), two.replace("{}", fillings)
            continue
        for one, two in combinations(fillings.split("|"), 2):
            yield kind, frame.replace("{}", one), frame.replace("{}", two)


def changed(texts: Sequence[str], seed: int = 0, most: int = 400) -> Iterator[Flip]:
    """Real texts with one word changed so that the meaning flips, at most `most` of each kind."""
    order = random.Random(seed)
    pool = list(texts)
    order.shuffle(pool)
    kinds = {kind: [pair.split("/") for pair in pairs.split()] for kind, pairs in _SWAPS.items()}
    counts = dict.fromkeys([*kinds, "negation", "number", "route", "than"], 0)

    def give(kind: str, text: str, other: str) -> Iterator[Flip]:
        if other != text and counts[kind] < most:
            counts[kind] += 1
            yield kind, text, other

    for text in pool:
        if min(counts.values()) >= most:
            return
        for kind, pairs in kinds.items():
            one, two = order.choice(pairs)
            yield from give(kind, text, re.sub(rf"\b{one}\b", two, text, count=1))
        if found := _AUX.search(text):
            yield from give("negation", text, f"{text[: found.end()]} not{text[found.end() :]}")
        if found := _NUMBER.search(text):
            number = str(int(found[0]) + order.choice((1, 2, 10)))
            yield from give("number", text, text[: found.start()] + number + text[found.end() :])
        yield from give("route", text, _FROM_TO.sub(r"from \2 to \1", text))
        yield from give("than", text, _THAN.sub(r"\4 \2 \3 \1", text))


_ARTICLE = re.compile(r"\b(?:the|an|a) (?!few|little|number|only)", re.IGNORECASE)


def dressed(flips: Sequence[Flip], seed: int = 1) -> Iterator[Flip]:
    """The same flips with harmless differences on top of them."""
    order = random.Random(seed)
    for kind, one, two in flips:
        match order.randrange(6):
            case 0:
                two = _ARTICLE.sub("", two)
            case 1:
                two = "Please, " + two
            case 2:
                two = two.rstrip("?.!") + " ?"
                one = _ARTICLE.sub("", one)
            case 3:
                two = two.replace("What is", "What's").replace(" not ", " really not ")
            case 4:
                one, two = one.lower() if kind not in ("name", "unit") else one, two.rstrip(".?")
            case 5:
                two = two.replace("How can I", "How do I").replace("Which", "What")
                two = two.replace("What are", "What are some")
        yield kind, one, two
