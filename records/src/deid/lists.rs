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

/// Names that medicine has taken for signs, diseases, scores, instruments, operations, stains and positions.
pub const EPONYMS: &str = "abadie achilles adams addison adie adson albright allen allis alport alvarado alzheimer amsler amsterdam \
angelman apgar apley argyll arnold ashman asperger auerbach austin babinski baker balint bamberger bankart barany barlow barr barre barré \
barrett barthel bartholin barton bartter basedow batten battle bazett becker beck beckwith behcet behçet bell bence bennett berger \
bernard bielschowsky billroth binet birads birt bishop bitot blalock blatchford bloom blumberg bonney bornholm bosniak bouchard \
bowen bowman boyle braden braxton breslow bristol broca brodie brooke brown brudzinski brugada brunner buck budd buerger burch \
burkitt burrow burton caesarean cajal capgras caprini carnett caroli castleman chadwick chagas charcot charlson chediak cheyne chiari \
chilaiditi child chvostek clara clark claude cloquet cockayne cockcroft codman cogan colles conn coombs cooper corneal corrigan \
courvoisier cowper coxsackie creutzfeldt crigler crohn cronkhite crouzon cullen curling cushing dandy darier davenport de debakey \
denver dercum devic digeorge dix doppler douglas down dressler dubin dubowitz duchenne duke dukes dupuytren durkan duroziez ebstein \
edinburgh edwards ehlers eisenmenger ellis epley epstein erb ernst evans ewing fabry fallopian fallot fanconi fagan felty finkelstein \
fitz fitzhugh fitzpatrick foley fontan fordyce forrest fournier fox framingham frank freiberg freud friedreich froment fuchs gardner \
garrod gaucher gault gell geneva gerstmann ghon giemsa gilbert gitelman glasgow gleason goodpasture gordon gottron gower gowers gram \
graves grey grocott gubler guillain guthrie hachinski haglund hallpike hamilton hampton hand hansen harris hartmann hartnup hashimoto \
hasson hawkins heberden hegar heimlich heller henle henoch hering hickman hickey hickman hill hippel hippocratic hirschsprung his hodgkin \
hoehn hoffa hoffman hoffmann homan homans horner horton howell huntington hurler hutchinson ishihara jacksonian janeway jarisch jefferson \
jendrassik jervell jobe jod jones kallmann kaposi kaplan kartagener kasai kawasaki kayser kegel kehr kelly kerley kernig kienbock killip \
kimmelstiel kirby klatskin klinefelter klippel klumpke kocher kohler koplik korotkoff korsakoff krukenberg kussmaul lachman lambert \
lange langerhans larsen laryngeal lasegue lasègue laurence leber legg legionnaire legionnaires lennox leriche lesch leser lewy lhermitte \
liddle light likert lindsay lisfranc little ljungman loeffler löffler lown ludwig lyell lyme lynch maisonneuve mallory mantoux marcus \
marfan marjolin martin may mcardle mcburney mccune mcgill mcginn mcmurray meckel meigs mendel menetrier ménétrier meniere ménière menkes \
merkel milan miller milroy mirizzi mobitz moebius mohs moll mondor montgomery moro morquio morton mueller müller munchausen munson \
murphy myerson nabothian najjar neer nelson nernst niemann nightingale nikolsky nissen noonan norwood nyha ober obwegeser oddi ogilvie \
ollier ortolani osgood osler ottawa oxford paget pancoast papanicolaou parinaud parkes parkinson parkland patau patrick payr pel pelger \
pemberton perthes peutz peyer peyronie pfannenstiel phalen pick pierre plummer poland pompe pott potter prader prinzmetal pringle pugh \
purkinje putnam quincke quetelet quick ramsay ramstedt ranson rankin raynaud reed refsum reinke reiter rett reye reynolds richter riedel \
rinne ritter rokitansky romberg rome roth rotor roux rovsing rubin ruben russell sampson sandifer schatzki scheuermann schirmer schlatter \
schlemm schmorl schober schönlein schonlein schwann sengstaken sezary sézary sheehan shy simmonds simmons sims sipple sister sjogren \
sjögren smith snellen somogyi spurling stanford starling stauffer stein steinman stevens still stokes sturge sturm swan sweet sydenham \
syme takayasu takotsubo tanner tay tenckhoff terry thomas thompson thomsen tietze tinel todd tourette traube treacher trendelenburg \
trousseau turcot turner tzanck uhthoff valsalva vater verner vincent virchow vogt volkmann waldenstrom waldenström wallenberg warburg \
warthin waterhouse weber wegener weil wells werner wernicke west westermark wharton whipple wilkins willebrand williams willis wilms \
wilson winter wiskott wolf wolff wood yersinia young zenker ziehl zollinger zellweger bethesda boston toronto gustilo garden weber salter \
schatzker mason frykman denis evans lauge hansen danis pauwels neer tscherne outerbridge kellgren lawrence ann arbor rai binet clark \
karnofsky zubrod ramsey cobb risser bonferroni kaplan meier cochrane jersey cornell minnesota michigan london waterlow norton morse must \
rockwood braak fazekas fisher hess spetzler sylvian rolandic galen haversian hassall hesselbach poupart scarpa sertoli leydig graafian \
skene wolffian müllerian eustachian thebesian cooper lister langer hilton houston heister luschka magendie monro silvius rathke littre \
redivac yankauer guedel mallampati cormack lehane macintosh magill robinson jackson pratt kirschner steinmann thomas ilizarov dynamic \
ringer ringers hartmanns kleihauer schilling benedict fehling clinitest ivy westergren wintrobe bradford allred ki kras her braf";

/// Medicines by their makers' names, and devices.
pub const BRANDS: &str = "abilify accolate accupril aciphex actonel actos adalat adcirca adderall adempas advair advil adizem afrin aggrenox \
airomir albuterol aldactone aleve alimta alka allegra alli allopurinol altace alvesco ambien amaryl amoxil anadin anoro apidra apresoline \
aptiom arava aricept arimidex armour aromasin arthrotec asacol ascensia atacand atarax ativan atripla atrovent augmentin avandia avapro \
avastin avelox avodart avonex azilect azor bactrim bactroban belsomra benadryl benicar betadine betaloc betaseron betmiga betnovate \
biaxin biktarvy bonjela boniva botox breo brilinta brilique briviact brufen buccastem bumex buscopan buspar bydureon byetta bystolic \
calpol calamine canesten carafate cardizem cardura casodex catapres celebrex celexa cellcept cerazette chantix champix cialis \
cilest cipralex cipramil cipro claritin clarityn cleocin clexane clinoril clomid clozaril colace combivent combivir compazine concerta \
copaxone coreg corlanor cortef cosopt coumadin cozaar creon crestor cymbalta cytotec cytoxan daktarin daktacort dalacin decadron delsym \
demerol depakote depo dermovate desyrel detrol dexcom dextro diamox diflucan difflam dilantin dilaudid diovan diprivan diprosone ditropan \
dovobet dovonex doublebase dulcolax duphaston dyazide ebixa effexor efudix elavil elidel eliquis emend emla enbrel entresto entyvio epaderm \
epanutin epilim epipen epogen equasym estraderm eucrisa evista evorel exforge famvir farxiga fasenra feldene femara fentanyl ferrograd \
flagyl flexeril flixonase flixotide flomax flonase florinef flovent fluvax forteo forxiga fosamax fostair fragmin frusol fucidin \
fucithalmic fybogel gabapentin gardasil gaviscon genotropin geodon gilenya gleevec glivec glucagon glucophage glucotrol gliadel haldol harvoni \
herceptin hibiscrub humalog humira humulin hycodan hydrea hytrin hyzaar ibrance imdur imigran imitrex imodium implanon imuran incruse inderal \
innovair insulatard intuniv invega invokana istin jakafi janumet januvia jardiance jaydess kaletra kalydeco keflex kenalog keppra kerendia \
keytruda klonopin klor kwells kyleena lacri lamictal lamisil lanoxin lantus largactil lasix latuda lescol letairis levaquin levemir levitra \
levora lexapro librium lioresal lipitor liraglutide lixiana lodine logynon loestrin lomotil lopid lopressor losec lotensin lotrel lovenox lozol lucentis \
lunesta lupron lustral luvox lyrica maalox macrobid macrodantin madopar magnevist malarone manerix mavenclad mavik maxalt maxitrol maxolon \
medrol mestinon metamucil micardis microgynon microlax micronor migraleve miralax mircette mirena mirapex mobic modafinil monopril montelukast \
motilium motrin mounjaro movicol mucinex myrbetriq naprosyn nardil nasonex neulasta neupogen neurofen neurontin nexium nexplanon niaspan \
nicorette nitrolingual nizoral nolvadex norco normison norvasc novolog novomix novorapid nplate nucala nurofen nuvaring nytol ocrevus olumiant \
oilatum olmetec omnipaque oramorph orencia orilissa otezla otomize oxycontin ozempic pamelor panadol pariet parlodel paxil paxlovid pepcid \
pepto percocet percodan periactin phenergan piriton plaquenil plavix pletal polyfax ponstan pradaxa praluent pravachol precedex premarin prempak \
prevacid prilosec prinivil pristiq procardia prograf prolia promacta prometrium propecia proscar protonix proventil provera provigil prozac \
pulmicort qvar questran qlaira ranexa rapamune reglan relenza relpax relvar remeron remicade renvela repatha requip resonium restasis restoril \
retin retrovir revatio revlimid rexulti rhinocort risperdal ritalin rituxan robaxin robitussin rocephin roaccutane rohypnol rybelsus sandimmune \
saphris savella saxenda senokot septra serc seretide seroquel serevent seroxat shingrix sinemet singulair skyrizi slozem sofradex solpadeine \
solu soma sovaldi spiriva stelara stemetil strattera strepsils stugeron suboxone subutex sudafed sudocrem sular suprax sutent symbicort symproic \
synacthen synjardy synthroid tagamet taltz tamiflu tarceva targinact tasigna tecfidera tegretol telfast tenormin terbinafine thyrogen tiazac \
timoptic tobradex tofranil topamax toprol toradol toujeo tradjenta tramacet trandate travatan tremfya trental tresiba tribenzor tricor \
trileptal trimovate trulicity truvada tylenol tylex uloric ultram unasyn urispas utrogestan valium valtrex vasotec velcade ventolin vermox \
vesicare vfend viagra vibramycin viagra vicodin victoza viibryd vimpat viread visken vistaril voltaren voltarol vytorin vyvanse welchol wegovy \
wellbutrin xalatan xanax xarelto xeloda xeljanz xenical xolair xopenex xyzal yasmin yaz zantac zanaflex zarontin zebeta zestoretic zestril \
zetia ziagen zineryt zirtek zithromax zocor zofran zoladex zoloft zomig zonegran zostavax zosyn zovirax zyban zyloprim zyloric zyprexa zyrtec \
zyvox viscotears versatis voltarol sudafed fortisip ensure dioralyte medihaler volumatic aerochamber accuhaler turbohaler easyhaler freestyle \
libre omnipod medtronic hickman portacath permcath tesio vaxigrip comirnaty spikevax novavax prevnar pneumovax menveo gardasil fluzone twinrix \
havrix engerix infanrix boostrix bexsero epaxal typhim accu-chek accuchek accutane aircast avalide celestone clenil cyberknife depo-medrol dosepak duraphen dynasplint epiduo firazyr gatorade \
medifast mevacor minocin mylanta ovcon pacerone pedialyte phexxi procrit ruconest synvisc tarka taxol taxotere zaroxolyn camila abraxane \
adriamycin alkeran benlysta blincyto cosentyx darzalex dupixent erbitux fasturtec gazyva ilaris imfinzi inlyta kadcyla kyprolis lartruvo lynparza \
mabthera navelbine opdivo perjeta simponi soliris tagrisso tecentriq votrient yervoy zaltrap zelboraf coca-cola lucozade ribena marmite weetabix google facebook \
skype zoom whatsapp fitbit iphone android pfizer moderna astrazeneca janssen novavax sanofi biontech";

/// First words of the names of microbes and parasites.
pub const GENERA: &str = "acanthamoeba acinetobacter actinomyces aedes aeromonas anaplasma anopheles ascaris aspergillus babesia bacillus bacteroides \
bartonella blastomyces bordetella borrelia brucella burkholderia campylobacter candida capnocytophaga chikungunya chlamydia chlamydophila \
citrobacter clostridioides clostridium coccidioides coronavirus corynebacterium coxiella cryptococcus cryptosporidium cutibacterium \
dengue demodex ebola echinococcus ehrlichia eikenella entamoeba enterobacter enterococcus escherichia francisella fusobacterium gardnerella \
giardia haemophilus hantavirus helicobacter histoplasma hemophilus kingella klebsiella lactobacillus lassa legionella leishmania leptospira \
listeria loa malassezia marburg microsporum moraxella morganella mucor mycobacterium mycoplasma naegleria neisseria nocardia norovirus norwalk \
orientia pasteurella pediculus plasmodium pneumocystis prevotella propionibacterium proteus providencia pseudomonas rhizopus rickettsia \
rotavirus salmonella sarcoptes schistosoma serratia shigella sporothrix staph staphylococcus stenotrophomonas strep streptococcus \
strongyloides taenia tinea toxocara toxoplasma treponema trichinella trichomonas trichophyton trichuris trypanosoma tropheryma ureaplasma \
varicella vibrio wuchereria yersinia zika nile lactobacilli staphylococci streptococci enterobacteriaceae mrsa";

/// Peoples, languages, faiths, continents and countries: Safe Harbor lets them stay.
pub const PEOPLES: &str = "african african-american american asian asiatic caribbean caucasian hispanic latino latina european english british \
irish scottish welsh french german spanish portuguese italian greek turkish polish romanian bulgarian hungarian austrian swiss belgian dutch \
danish norwegian swedish finnish icelandic russian ukrainian serbian croatian albanian bosnian czech slovak slovenian estonian latvian \
lithuanian chinese japanese korean taiwanese vietnamese thai cambodian lao burmese malay malaysian indonesian filipino indian pakistani \
bangladeshi nepali nepalese tibetan sri lankan tamil afghan iranian persian iraqi syrian lebanese israeli palestinian jordanian egyptian \
libyan tunisian algerian moroccan sudanese ethiopian eritrean somali kenyan ugandan tanzanian nigerian ghanaian senegalese congolese \
angolan zambian zimbabwean mozambican australian zealander maori canadian mexican cuban haitian jamaican brazilian argentine argentinian \
chilean peruvian colombian venezuelan ecuadorian bolivian arab arabic arabian kurdish hebrew jewish muslim islamic christian catholic \
protestant anglican methodist baptist buddhist hindu sikh jain jehovah jehovah's witness mormon orthodox quaker ashkenazi sephardic \
mediterranean scandinavian aboriginal inuit native cantonese mandarin urdu hindi punjabi bengali gujarati farsi dari pashto amharic \
swahili yoruba igbo hausa tagalog latin africa america asia europe australia antarctica england scotland wales ireland britain france \
germany spain portugal italy greece turkey poland romania bulgaria hungary austria switzerland belgium netherlands denmark norway sweden \
finland iceland russia ukraine serbia croatia albania china japan korea taiwan vietnam thailand cambodia laos myanmar malaysia singapore \
indonesia philippines india pakistan bangladesh nepal lanka afghanistan iran iraq syria lebanon israel palestine jordan egypt libya \
tunisia algeria morocco sudan ethiopia eritrea somalia kenya uganda tanzania nigeria ghana senegal cameroon congo angola zambia zimbabwe \
mozambique madagascar zealand arabia yemen oman qatar kuwait mexico cuba haiti jamaica brazil argentina chile peru colombia venezuela \
ecuador bolivia guatemala honduras nicaragua panama salvador canada alabama alaska arizona arkansas california colorado connecticut \
delaware florida georgia hawaii idaho illinois indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota \
mississippi missouri montana nebraska nevada hampshire carolina dakota ohio oklahoma oregon pennsylvania tennessee texas utah vermont \
virginia wisconsin wyoming ontario quebec alberta kingdom states";

/// Capitals of notes and clinical terms that no list of English words holds.
pub const HEADS: &str = "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september \
october november december mon tue tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec obs meds temp sats \
bloods abdo resp neuro cardio gastro ortho gynae obgyn heent psych endo rheum derm haem onc uro ophth paeds anaes rehab physio hx dx tx rx \
sx fx pmh psh fhx shx hpi ros mom mum dad mommy mummy daddy nan nana gran granny grandma grandpa internet covid medicare medicaid macmillan \
nhs english ultrasound doppler holter echo xray mri ecg ekg eeg emg lft lfts tft tfts fbc cbc crp esr hba hep pap rbc wbc hgb plt afebrile \
fundus gcs approx wt ht kg bpm ok okay yeah hi hello thanks dr mr mrs ms prof rev ward bed bay room clinic unit team dept tel fax mob email \
ref no nos re cc pt pts yo nil nad nka nkda tds bd od qds prn stat mane nocte abx amox sig pmhx fahrenheit celsius mondays tuesdays wednesdays thursdays fridays saturdays sundays demographics implantable relapsed \
isomerism labialis extramammary pityriasis kappa lambda saudi arabian hong kong shiga shimada gehrig pearson spearman pierre robin wald student fisher dose doses tabs caps iv im sc po pr inr bmi bp hr rr";
