"""Closed lists of English words: what is written in several ways, and what must not be touched.

Data only; `tokens` and `rewrites` say what is done with them.
"""

import re


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that begin a question.
OPENERS = _set(
    "what which who whom whose when where why how is are am was were do does did can could will "
    "would shall should may might must has have had isn't aren't don't doesn't didn't can't won't"
)
NEGATIONS = _set(
    "not no never none nobody nothing nowhere neither nor without hardly scarcely barely"
)
# They point outside of the text: what they stand for may differ though the words are the same.
CONTEXT = _set("this these following given below above attached here my mine me our")

# Words that are another word in capitals, or as a name.
CASED_UNITS = _set("mb kb gb tb mw ma pa mpa hz mhz")
CAPITALS = _set(
    "us it who aids am pm or in me ok hi id so as is us a i cat sat act ram rom pet can ice"
)
TITLES = _set(
    "polish turkey march may august china jobs gates bush will mark bill frank rose jordan chile "
    "guinea grace hope faith earnest nice reading bath cancer mercury mars windows apple amazon "
    "python java ruby rust swift go word excel access office outlook"
)

CONTRACTIONS = {
    "can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not",
    "cant": "can not", "wont": "will not", "dont": "do not", "doesnt": "does not",
    "didnt": "did not", "isnt": "is not", "arent": "are not", "wasnt": "was not",
    "couldnt": "could not", "shouldnt": "should not", "wouldnt": "would not",
    "havent": "have not", "hasnt": "has not", "im": "i am", "ive": "i have", "whats": "what is",
    "hows": "how is", "whos": "who is", "wheres": "where is", "thats": "that is", "let's": "let us",
}  # fmt: skip
SUFFIXES = (("n't", "not"), ("'re", "are"), ("'m", "am"), ("'ve", "have"), ("'ll", "will"))
# After these 's is "is"; after others it may be a genitive and is left out.
WITH_IS = _set("what how who where when why that it there here he she")

# British to American, and one way to write a thing. Inflected forms come from the plural rule.
SPELLING = {
    "colour": "color", "favour": "favor", "favourite": "favorite", "behaviour": "behavior",
    "honour": "honor", "humour": "humor", "labour": "labor", "neighbour": "neighbor",
    "rumour": "rumor", "flavour": "flavor", "harbour": "harbor", "armour": "armor",
    "tumour": "tumor", "odour": "odor", "centre": "center", "metre": "meter", "litre": "liter",
    "theatre": "theater", "fibre": "fiber", "kilometre": "kilometer", "centimetre": "centimeter",
    "millimetre": "millimeter", "defence": "defense", "offence": "offense", "licence": "license",
    "analyse": "analyze", "paralyse": "paralyze", "catalogue": "catalog", "dialogue": "dialog",
    "travelling": "traveling", "traveller": "traveler", "cancelled": "canceled",
    "cancelling": "canceling", "modelling": "modeling", "jewellery": "jewelry",
    "aluminium": "aluminum", "grey": "gray", "cheque": "check", "tyre": "tire",
    "pyjamas": "pajamas", "mum": "mom", "maths": "math", "enrol": "enroll", "fulfil": "fulfill",
    "skilful": "skillful", "judgement": "judgment", "ageing": "aging",
    "encyclopaedia": "encyclopedia", "anaemia": "anemia", "oesophagus": "esophagus",
    "paediatric": "pediatric", "orthopaedic": "orthopedic", "programme": "program",
    "learnt": "learned", "spelt": "spelled", "burnt": "burned", "dreamt": "dreamed",
    "plz": "please", "pls": "please", "u": "you", "ur": "your", "ppl": "people", "thru": "through",
    "vs": "versus", "v.s": "versus", "&": "and", "%": "percent", "usa": "us^", "alright": "ok",
    "okay": "ok", "shld": "should", "bcoz": "because", "coz": "because",
}  # fmt: skip
ISE = re.compile(
    r"^(real|organ|recogn|optim|minim|maxim|summar|memor|apolog|critic|emphas|special|general|util"
    r"|categor|character|custom|digit|final|global|initial|local|normal|personal|popular|prior"
    r"|random|reorgan|standard|symbol|synchron|visual|author|capital|central|civil|colon|commercial"
    r"|computer|crystall|econom|equal|famil|fertil|harmon|hypnot|ideal|immun|industrial|internal"
    r"|legal|liberal|mechan|mobil|modern|monet|national|neutral|national|penal|polar|privat|public"
    r"|rational|revolution|social|stabil|steril|subsid|sympath|terror|token|vandal|victim|vocal)"
    r"(is)(e|es|ed|er|ers|ing|ation|ations)$"
)
# Several tokens that are one.
JOINED = {
    " web site ": " website ", " e mail ": " email ", " wi fi ": " wifi ", " on line ": " online ",
    " smart phone ": " smartphone ", " any one ": " anyone ", " some one ": " someone ",
    " every one ": " everyone ", " u s a ": " us^ ", " united states of america ": " us^ ",
    " united states ": " us^ ", " united kingdom ": " uk ", " lap top ": " laptop ",
    " start up ": " startup ", " in order to ": " to ", " per cent ": " percent ",
}  # fmt: skip

# Their singular is another word, or they have none.
NOT_PLURAL = _set(
    "news means goods customs arms glasses pants thanks always perhaps sometimes times series "
    "species physics economics mathematics politics ethics athletics electronics lens gas bus plus "
    "thus this his its has was does is as us yes less unless across process access business "
    "illness colours windows spirits manners brains minutes airs forces wits waters ashes damages "
    "spectacles savings earnings headquarters bias canvas christmas texas kansas paris netherlands "
    "philippines maldives bahamas adams williams roberts jacobs peters richards stevens edwards "
    "evans brooks woods james charles jones davis lewis thomas harris hughes collins phillips "
    "rogers parsons simons daniels michaels matthews andrews peoples quarters grounds "
    "sports belongings outskirts proceeds surroundings whereas besides towards afterwards "
    "backwards forwards upwards downwards indoors outdoors overseas upstairs downstairs"
)
IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth",
    "mice": "mouse", "lives": "life", "wives": "wife", "knives": "knife",
}  # fmt: skip
WITH_IE = _set(
    "movies cookies zombies selfies calories rookies genies hoodies hippies pies ties lies dies "
    "newbies birdies"
)
AGREEMENT = {"is": "be", "are": "be", "am": "be", "does": "do", "has": "have", "were": "was"}

# What follows is about statements, which have no asker and are kept: see services/memory/domain.
NUMBERS = _set(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand million billion dozen half quarter double first second third fourth fifth "
    "once twice"
)
# One of them more is another statement.
TURNING = (
    NEGATIONS
    | OPENERS
    | NUMBERS
    | _set(
        "a an the all any both each every few little lot many more most much some several enough "
        "other another only even also almost nearly just about around exactly least less still "
        "already yet again always often usually sometimes rarely seldom if unless until while "
        "because but or otherwise instead than then out of off up down to from into over under "
        "before after since use used stop stopped quit be been being maybe perhaps probably "
        "possibly former ex fake i you he she it we they my your his her our their me him us them"
    )
)
FIRST_PERSON = _set("i me my mine myself we us our ours ourselves")
# They stand for another time or place each time.
POINTING = _set(
    "now today tonight tomorrow yesterday currently nowadays recently lately soon later ago next "
    "last this these those here monday tuesday wednesday thursday friday saturday sunday"
)
