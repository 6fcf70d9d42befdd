//! Word lists behind de-identification: names worth suspecting, towns, and capitalised words that are never people.

/// Given names that are hardly ever anything else.
pub const GIVEN: &str = "aaron abigail adam adele aditya adriana adrian agnes ahmed aidan aisha alan alana albert alejandro \
alex alexander alexandra alexis alfred ali alice alicia alison allison amanda amelia amina amir amy ana anastasia andrea andreas \
andres andrew andy angela angelica anita ann anna anne annette anthony antonio anya arjun arthur arturo ashley audrey barbara \
barry beatrice becky belinda ben benjamin bernard beth bethany betty beverly bob bobby bradley brandon brenda brian bridget \
bruce bryan caitlin caleb cameron carl carla carlos carmen carol caroline carolyn catherine cathy cecilia cesar charles \
charlotte cheryl chloe chris christina christine christopher cindy claire clara claudia colin colleen connor craig cristina \
curtis cynthia daniel daniela danielle darren dave david deborah debbie debra denise dennis derek diana diane diego dmitri dmitry \
dominic donald donna dorothy douglas duncan dylan eddie edgar edith eduardo edward edwin eileen elaine eleanor elena eli elias \
elizabeth ella ellen emily emma eric erica erin ernest esther ethan eugene eva evan evelyn fatima felipe fernando fiona \
florence frances francesca francis francisco fred frederick gabriel gabriela gareth gary gavin geoffrey george gerald gina giovanni \
giulia gladys gloria gordon graham greg gregory guillermo gwen hannah harold harriet harry hassan hector helen helena henry \
hiroshi howard hugh hugo ian ibrahim ingrid irene isaac isabel isabella ivan jacob jacqueline jake jamal james jamie jane janet \
janice jasmine jason javier jeff jeffrey jennifer jenny jeremy jerry jessica jill jim jimmy joan joanna joanne joe joel johan johanna john \
johnny jonathan jorge jose joseph joshua joyce juan juanita judith judy julia julian julie justin karen karl katarzyna kate katherine \
kathleen kathryn kathy katie kayla keith kelly ken kenji kenneth kevin khalid kim kimberly kirsten krista kristen kristin \
kumar kyle larry laura lauren laurie lawrence leah leila lena leo leon leonard leslie leticia liam linda lindsay lisa logan lois \
lorraine louis louise lucas lucia lucy luis luke lydia lynn maggie malcolm manuel marcia marco marcus margaret maria marie \
marilyn mario marion marisol marjorie marlene martha martin marvin mary mateusz matthew maureen maurice mei megan melanie \
melissa mercedes michael michaela michelle miguel mike mohamed mohammed mohammad monica monique muhammad nadia nancy naomi natalia natalie \
natasha nathan nathaniel neil nicholas nicola nicolas nicole nigel nina noah noor nora norma oliver olivia omar oscar owen pamela \
patricia patrick paul paula pauline pedro peter philip phillip phoebe phyllis pierre piotr priscilla priya rachel rafael raj rajesh ralph \
ramon ravi raymond rebecca reginald renee ricardo richard rick rita robert roberto rodney roger roland ronald rosa rosalind rosario roy \
russell ruth ryan sally samantha samir samuel sandra sanjay sara sarah sean sebastian sergei sergio shannon sharon shaun sheila \
shirley silvia simon simone sofia sonia sophia sophie stacey stanley stella stephanie stephen steve steven stuart susan suzanne \
svetlana sven sylvia tamara tanya tara teresa terry theodore theresa thomas tiffany tim timothy tina todd tom tomas tommy tony \
tracy trevor tyler valerie vanessa vera veronica vicky victoria vijay vincent vivian vladimir walter wanda wayne wendy wesley \
william yasmin yolanda yuki yusuf yvonne zachary zainab zoe aaliyah abdul aoife astrid bilal chidi chinedu chioma dashiell emeka \
esperanza farid fatou gunnar haruto imran ingeborg ioana jarod keisha kwame lakshmi latoya malik marisela minh mustafa ngozi nguyen \
niamh oluwaseun padraig petra rashid rohan saoirse shanice siobhan sunita tariq thuy vikram wei wojciech xiomara yara";

/// Names that are also words, months, places or plants: taken as names only beside a family name or a title.
pub const DOUBTFUL: &str = "may rose april june august grace hope faith will mark bill rich art dale grant guy jack joy dawn iris ivy \
violet lily daisy ruby amber crystal frank victor chase angel christian dean drew sue pat ray rob robin chuck don gene jean \
lane max miles nick penny pearl summer sunny wade sandy holly ginger olive rosemary heather melody autumn austin madison \
georgia virginia savannah sydney jordan chelsea charity clay cliff dolly earl eve gale glen hazel jade kay lance lee myrtle \
opal ward wade drew woody reed christie dan sam ron ed al ted jay chad ty carter marshall wilson murphy nelson scott dallas \
charlotte florence stuart duncan douglas";

/// Towns and cities large enough to turn up, and not words of another kind.
pub const TOWNS: &str = "aberdeen|adelaide|albuquerque|alexandria|amsterdam|anaheim|anchorage|ann arbor|antwerp|arlington|athens|atlanta|\
auckland|baghdad|baltimore|bangalore|bangkok|barcelona|baton rouge|beijing|beirut|belfast|bellevue|bergen|berlin|birmingham|bogota|\
boise|bordeaux|boston|boulder|bradford|brighton|brisbane|bristol|brooklyn|brussels|bucharest|budapest|buenos aires|cairo|calgary|\
cambridge|canberra|cape town|cardiff|caracas|casablanca|charleston|chattanooga|chennai|chicago|cincinnati|cleveland|colombo|\
colorado springs|copenhagen|coventry|dakar|damascus|darwin|delhi|denver|des moines|detroit|dhaka|dubai|dublin|dundee|durban|edinburgh|\
edmonton|el paso|exeter|fort worth|frankfurt|fresno|galveston|geneva|glasgow|gothenburg|guadalajara|halifax|hamburg|hanoi|harare|\
hartford|havana|helsinki|houston|huddersfield|hull|indianapolis|ipswich|islamabad|istanbul|jacksonville|jakarta|jerusalem|johannesburg|\
kabul|kansas city|karachi|kathmandu|knoxville|kolkata|krakow|kuala lumpur|lagos|lahore|las vegas|leeds|leicester|lima|lisbon|liverpool|\
little rock|london|long beach|los angeles|louisville|lusaka|lyon|madrid|manchester|manila|marseille|melbourne|memphis|mexico city|miami|\
milan|milwaukee|minneapolis|mombasa|montreal|moscow|mumbai|munich|nairobi|naples|nashville|newcastle|new delhi|new orleans|\
new york city|nottingham|oakland|oklahoma city|omaha|orlando|osaka|oslo|ottawa|oxford|palo alto|paris|peoria|perth|philadelphia|phoenix|\
pittsburgh|plymouth|portland|porto|prague|pretoria|providence|quebec city|quito|raleigh|reykjavik|richmond|riyadh|rochester|rome|\
rotterdam|sacramento|salt lake city|san antonio|san diego|san francisco|san jose|santa barbara|santa fe|santiago|sao paulo|sapporo|\
scottsdale|seattle|seoul|seville|shanghai|sheffield|shreveport|southampton|spokane|springfield|st\\. louis|stockholm|stockport|stuttgart|\
sunderland|swansea|swindon|taipei|tampa|tehran|tel aviv|tokyo|toledo|toronto|tucson|tulsa|turin|utrecht|vancouver|venice|vienna|warsaw|\
wellington|wichita|winnipeg|wolverhampton|worcester|yokohama|york|zagreb|zurich|quincy|bakersfield|brookline|yonkers|hoboken|evanston";

/// Countries, states and larger: Safe Harbor lets them stay, and travel history needs them.
pub const WIDE_PLACES: &str = "america|united states|usa|us|u\\.s\\.|england|scotland|wales|ireland|northern ireland|united kingdom|britain|uk|\
canada|mexico|brazil|argentina|chile|peru|colombia|venezuela|ecuador|bolivia|cuba|haiti|jamaica|puerto rico|guatemala|honduras|nicaragua|\
costa rica|panama|el salvador|dominican republic|france|germany|spain|portugal|italy|greece|turkey|poland|romania|bulgaria|hungary|austria|\
switzerland|belgium|netherlands|denmark|norway|sweden|finland|iceland|russia|ukraine|serbia|croatia|albania|china|japan|korea|south korea|\
north korea|taiwan|hong kong|vietnam|thailand|cambodia|laos|myanmar|malaysia|singapore|indonesia|philippines|india|pakistan|bangladesh|\
nepal|sri lanka|afghanistan|iran|iraq|syria|lebanon|israel|jordan|egypt|libya|tunisia|algeria|morocco|sudan|ethiopia|somalia|kenya|uganda|\
tanzania|nigeria|ghana|senegal|cameroon|congo|angola|zambia|zimbabwe|south africa|mozambique|madagascar|australia|new zealand|saudi arabia|\
yemen|oman|qatar|kuwait|europe|asia|africa|south america|north america|central america|latin america|southeast asia|south east asia|\
sub-saharan africa|west africa|east africa|middle east|caribbean|the caribbean|alabama|alaska|arizona|arkansas|california|southern california|\
colorado|connecticut|delaware|florida|georgia|hawaii|idaho|illinois|indiana|iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|\
michigan|minnesota|mississippi|missouri|montana|nebraska|nevada|new hampshire|new jersey|new mexico|new york|north carolina|north dakota|\
ohio|oklahoma|oregon|pennsylvania|rhode island|south carolina|south dakota|tennessee|texas|utah|vermont|virginia|washington|west virginia|\
wisconsin|wyoming|ontario|quebec|british columbia|alberta|new england|northeast|midwest";

/// Capitalised words that follow a title, a kin word or "Patient" without being anybody's name.
pub const NEVER_NAMES: &str = "the a an and or of in on at to for with by from is was has had have he she it they his her their this that \
these those no not none nil denies reports states notes presents complains patient doctor nurse practitioner specialist consultant physician \
surgeon visit office clinic hospital department emergency general medical medicine history past family social review systems physical \
exam examination assessment plan diagnosis allergies medications medication results labs vital signs blood pressure heart rate temperature \
chest abdomen head neck neurological respiratory cardiovascular gastrointestinal musculoskeletal skin constitutional psychiatric \
when while after before since because if but also today yesterday currently who what where which how i we you there here once twice \
died dead alive well healthy diabetes hypertension asthma cancer stroke migraine migraines osteoporosis hypothyroidism depression \
monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october \
november december type stage grade class group apgar glasgow coma scale score sign test syndrome disease age aged sex male female \
parkinson parkinson's alzheimer alzheimer's crohn crohn's graves hodgkin hodgkin's down turner wilson addison cushing marfan raynaud \
vitamin aspirin tylenol advil ibuprofen metformin lisinopril insulin dyspnea fever pain cough nausea known unknown new old follow-up \
ms mr mrs dr miss mother father sister brother son daughter wife husband information not-provided only named called id name number \
smoking tobacco alcohol use status education demographics primary secondary symptoms objective findings occupation advice safety agreements \
endorses reported presented says said feels takes does did will would should can could might must good normal negative positive \
angiography angiogram imaging venography enterography spectroscopy elastography cholangiopancreatography arthrography urography scan \
covid x-ray ct mri ecg ekg hiv tb copd gerd er ed icu gp or ent ob gyn pcp iv po prn bid tid qd md rn";

/// A word after a name that makes the name an eponym.
pub const EPONYM_NOUNS: &str = "disease syndrome sign test phenomenon score criteria scale classification fracture lymphoma sarcoma palsy \
tumor tumour contracture chorea ataxia thyroiditis disorder triad tetralogy anomaly deformity reflex esophagus oesophagus ulcer node \
nodes lesion lesions cell cells body bodies virus maneuver manoeuvre procedure operation stain method method's law pulse breathing \
respiration ring catheter tube splint encephalopathy hernia diverticulum arthropathy gangrene purpura cyst index position \
dystrophy muscular nephropathy neuropathy keratoacanthoma's paralysis spots line lines point duct gland canal fissure grade stage \
rule rules questionnaire inventory depression elevation rating stool chart criterion hip knee foot finger toe neuroma tendon's \
cirrhosis goiter goitre ophthalmopathy dementia esophagitis colitis's nodule nodules murmur probe test's sarcoma's operation's scoring";

/// Words that make an institution's name generic ("Fracture Clinic"), so that nothing is given away.
pub const GENERIC_PLACES: &str = "the a an this that her his their my our local general community children's childrens pediatric paediatric \
university teaching district county regional national private public veterans cancer heart fracture pain diabetes diabetic sleep memory \
cardiology neurology surgery surgical medical eye dental family walk-in outpatient urgent care health primary psychiatric rehabilitation \
oncology dermatology orthopedic orthopaedic tia stroke asthma copd antenatal prenatal fertility women's men's wound allergy headache \
emergency rural city state at in to from of for and since after went high middle elementary primary secondary nursing day night home hospital \
clinic center centre mental travel vein hand foot spine breast sexual gum warfarin anticoagulation hypertension failure on was \
laparoscopic open cardiac bypass spinal knee hip cataract abdominal bariatric back elective emergency major minor heart brain";
