### Texts in Dutch, at B1 level: short sentences, "u", the active voice. The same messages stand in en.ftl.
### page-…: pages. mail-…: mails. A variable is a value that we escape where it is shown.

## Every page

page-skip = Naar de inhoud
page-language = Taal
page-help = Hulp
page-privacy = Privacy
page-accessibility = Toegankelijkheid
page-title = { $title } · { $organisation }
page-title-error = Fout: { $title } · { $organisation }

## Page 1: the code

unlock-title = { $sender } heeft u een beveiligd bericht gestuurd
unlock-from = Van
unlock-for = Voor
unlock-until = Te lezen tot en met
unlock-label = Toegangscode
unlock-help = U heeft de code van de afzender gekregen: per post, telefonisch of persoonlijk.
unlock-strict = Dit bericht is extra beveiligd. Alleen u kunt het openen, met deze link en uw code. Wij kunnen dat niet. Bewaar ze allebei goed.
unlock-earlier = Eerdere toegangscode
unlock-earlier-help = De afzender heeft later een nieuwe code gemaakt. Dit bericht opent alleen met de code die u daarvoor had.
unlock-hint = Tip van de afzender: { $hint }
unlock-button = Bericht openen
unlock-lost = Ik heb geen code of ben hem kwijt
unlock-empty = Vul uw toegangscode in.
unlock-wrong = Deze code klopt niet.
unlock-left =
    { $left ->
        [one] U kunt het nog 1 keer proberen.
       *[other] U kunt het nog { $left } keer proberen.
    }
unlock-again = U kunt het weer proberen vanaf { $time } uur.
unlock-paused = Er is te vaak een verkeerde code ingevuld.
unlock-closed = Dit bericht is nu gesloten.
unlock-closed-what = Er is te vaak een verkeerde code ingevuld. Bel met de afzender. Die kan het bericht weer voor u laten openzetten.
unlock-busy = Het is nu erg druk.
unlock-busy-what = Probeer het over een minuut opnieuw. Deze keer telt niet mee.
unlock-stale = De pagina stond te lang open.
unlock-stale-what = Vul uw code nog een keer in. Deze keer telt niet mee.

## Page 1 with a one-time code, by SMS or by e-mail

once-button = Stuur mij de code
once-spent = Deze code is te vaak verkeerd ingevuld.
once-expired = Deze code is verlopen.
once-none = Deze code is al gebruikt of geldt niet meer.
once-anew = Vraag een nieuwe code.
once-stale-what = Probeer het nog een keer. Deze keer telt niet mee.
once-full-what = U kunt er weer een vragen vanaf { $time } uur.
once-ours-what = Dat ligt aan ons. Probeer het later opnieuw of bel met de afzender.
once-missing-wait = Wacht een minuut. Soms duurt het even.
once-again-what = U krijgt dan dezelfde code.
once-tell = Stel de afzender op de hoogte

## By SMS. The number shows its last three digits only.

phone-send = Wij sturen een code van 6 cijfers naar { $number }.
phone-label = Sms-code
phone-help = 6 cijfers, naar { $number } gestuurd. U kunt de code gebruiken tot { $until } uur.
phone-empty = Vul de code uit de sms in.
phone-form = Een sms-code heeft 6 cijfers.
phone-form-what = Kijk in de sms en vul alle 6 cijfers in. Deze keer telt niet mee.
phone-wait =
    { $seconds ->
        [one] Wij hebben net een sms gestuurd. Over 1 seconde kunt u een nieuwe vragen.
       *[other] Wij hebben net een sms gestuurd. Over { $seconds } seconden kunt u een nieuwe vragen.
    }
phone-full = U heeft al vaak een sms gevraagd.
phone-over = Wij sturen voor dit bericht geen sms meer.
phone-over-what = Er is al te vaak een sms gevraagd. Bel met de afzender. Die kan het bericht weer voor u laten openzetten.
phone-ceiling = Wij kunnen nu geen sms sturen.
phone-failed-number = De sms is niet verstuurd.
phone-failed-number-what = Naar dit nummer kan geen sms. Stel de afzender op de hoogte.
phone-failed-ours = Het lukt nu niet om een sms te sturen.
phone-failed-late = De sms is niet aangekomen.
phone-failed-late-what = Staat uw telefoon aan en heeft u bereik? Vraag dan nog een sms.
phone-delayed = De sms is nog niet verstuurd. Wij blijven het proberen. Blijf op deze pagina.
phone-missing = Geen sms ontvangen?
phone-missing-reach = Kijk of uw telefoon bereik heeft. Zet hem eventueel uit en weer aan.
phone-missing-number = Kijk of { $number } het einde van uw nummer is.
phone-again = Stuur de sms opnieuw
phone-again-wait =
    { $seconds ->
        [one] Over 1 seconde kunt u de sms opnieuw vragen.
       *[other] Over { $seconds } seconden kunt u de sms opnieuw vragen.
    }
phone-again-now = U kunt de sms nu opnieuw vragen.
phone-number = Is het telefoonnummer niet juist?

## By e-mail. The address is shown in part.

mailbox-send = Wij sturen een code van 6 cijfers naar { $address }. Op dat adres kreeg u ook de e-mail met de link.
mailbox-label = Code uit de e-mail
mailbox-help = 6 cijfers, naar { $address } gestuurd. U kunt de code gebruiken tot { $until } uur.
mailbox-empty = Vul de code uit de e-mail in.
mailbox-form = De code heeft 6 cijfers.
mailbox-form-what = Kijk in de e-mail en vul alle 6 cijfers in. Deze keer telt niet mee.
mailbox-wait =
    { $seconds ->
        [one] Wij hebben net een e-mail gestuurd. Over 1 seconde kunt u een nieuwe vragen.
       *[other] Wij hebben net een e-mail gestuurd. Over { $seconds } seconden kunt u een nieuwe vragen.
    }
mailbox-full = U heeft al vaak een code gevraagd.
mailbox-over = Wij mailen voor dit bericht geen code meer.
mailbox-over-what = Er is al te vaak een code gevraagd. Bel met de afzender. Die kan het bericht weer voor u laten openzetten.
mailbox-ceiling = Wij kunnen nu geen code mailen.
mailbox-failed = De e-mail met de code is niet aangekomen.
mailbox-failed-what = Misschien is de mailbox vol, of neemt die onze e-mail niet aan. Stel de afzender op de hoogte.
mailbox-failed-ours = Het lukt nu niet om de code te mailen.
mailbox-delayed = De e-mail is nog niet verstuurd. Wij blijven het proberen. Blijf op deze pagina.
mailbox-missing = Geen e-mail ontvangen?
mailbox-missing-spam = Kijk ook in de map met ongewenste e-mail (spam).
mailbox-missing-address = Kijk in de mailbox van { $address }. Heeft iemand de e-mail met de link naar u doorgestuurd? Dan komt de code bij diegene.
mailbox-again = Stuur de e-mail opnieuw
mailbox-again-wait =
    { $seconds ->
        [one] Over 1 seconde kunt u de e-mail opnieuw vragen.
       *[other] Over { $seconds } seconden kunt u de e-mail opnieuw vragen.
    }
mailbox-again-now = U kunt de e-mail nu opnieuw vragen.
mailbox-none = Krijgt u geen e-mail met de code?
mailbox-level = Wie uw e-mail kan lezen, kan ook dit bericht openen. Wilt u dat niet?

## Another way

ask-other = Liever op een andere manier openen?
ask-other-sms = Vraag om een toegangscode
ask-other-code = Vraag om een code per sms

## Asking the sender for something: first what happens, then that it happened

ask-number-title = Is het telefoonnummer niet juist?
ask-number-what = De sms met de code gaat naar { $number }. Is dat niet het einde van uw nummer? Dan sturen wij { $sender } een e-mail.
ask-number-next = De afzender moet eerst het juiste nummer doorgeven. Pas daarna kunt u het bericht openen, met dezelfde link. U kunt de afzender ook bellen. Dat gaat vaak sneller.
ask-number-button = Stel de afzender op de hoogte
ask-mail-title = Geen e-mail met de code?
ask-mail-what = De e-mail met de code gaat naar { $address }. Kijk eerst in de map met ongewenste e-mail (spam). Staat hij daar ook niet? Dan sturen wij { $sender } een e-mail.
ask-mail-next = De afzender kan u een toegangscode geven. Daarmee opent u het bericht met dezelfde link. U kunt de afzender ook bellen. Dat gaat vaak sneller.
ask-level-what = Een toegangscode krijgt u van de afzender zelf: per post, telefonisch of persoonlijk. Wie alleen uw e-mail kan lezen, kan het bericht dan niet openen. Wij sturen { $sender } een e-mail met uw vraag.
ask-sms-title = Liever een toegangscode?
ask-sms-what = Een toegangscode krijgt u van de afzender zelf: per post, telefonisch of persoonlijk. U heeft dan geen sms nodig. Wij sturen { $sender } een e-mail met uw vraag.
ask-code-title = Liever een code per sms?
ask-code-what = Wij sturen { $sender } een e-mail met uw vraag. Geef uw mobiele nummer zelf door, bijvoorbeeld telefonisch. Dat kan niet op deze pagina.
ask-other-next = De afzender beslist. Er verandert pas iets als de afzender het heeft aangepast. Tot die tijd opent u het bericht zoals nu.
ask-other-button = Vraag het de afzender
ask-lost-what = Bellen lukt niet? Dan sturen wij { $sender } een e-mail. Daarin staat dat u geen code heeft.
ask-lost-button = Mail de afzender
ask-done-title = Wij mailen de afzender
ask-done-before = Wij hebben de afzender al gemaild
ask-done-what = { $sender } krijgt nu een e-mail van ons. De afzender moet daarna zelf iets doen. Wanneer dat gebeurt, weten wij niet.
ask-done-again = Wij hebben { $sender } hier kort geleden al een e-mail over gestuurd. Nog een e-mail sturen wij niet.
ask-done-next = Heeft u haast? Bel dan met de afzender. Is het geregeld? Open dan opnieuw de link in uw e-mail.
ask-again-title = Wilt u het bericht nog lezen?
ask-again-what = Wij sturen { $sender } een e-mail. Daarin staat dat u het bericht nog wilt lezen.
ask-again-next = De afzender beslist. Stuurt de afzender het opnieuw? Dan krijgt u daarover een nieuwe e-mail van ons. U kunt de afzender ook bellen. Dat gaat vaak sneller.
ask-again-button = Vraag de afzender om het opnieuw te sturen
ask-again-done = Heeft u haast? Bel dan met de afzender. Stuurt de afzender het bericht opnieuw? Dan krijgt u daarover een nieuwe e-mail van ons. Met de link die u nu heeft, kunt u het bericht niet meer lezen.
ask-back = Terug

## No code, or lost

lost-title = Geen code, of kwijt?
lost-call = Bel met { $sender }. Vraag om uw toegangscode. Weet de afzender de code niet meer? Dan kunt u een nieuwe krijgen.
lost-strict = Bel met { $sender }. Vraag of die uw toegangscode nog heeft. Dit bericht is extra beveiligd. Is de code echt kwijt? Dan kan niemand dit bericht nog openen, ook wij niet. De afzender kan het wel opnieuw sturen.
lost-phone = Het telefoonnummer van { $organisation }:
lost-never = Wij sturen toegangscodes nooit per e-mail. Vraagt iemand u om uw code? Geef hem dan niet.
lost-back = Ik heb de code

## The message

message-subject-none = Bericht zonder onderwerp
message-from = Van
message-to = Aan
message-cc = Kopie aan
message-sent = Verstuurd
message-frame = Inhoud van het bericht
message-wide = Bericht groot openen
message-plain = De opmaak van dit bericht is te zwaar om hier te laten zien. Hieronder staat alleen de tekst. Met opmaak staat het in het bericht dat u kunt downloaden.
message-empty = Dit bericht heeft geen tekst.
message-cut = Dit bericht is te lang om hier helemaal te laten zien. U kunt het hele bericht downloaden.
earlier-title = Eerder in dit gesprek
earlier-new = Nieuw
others-title = Andere berichten voor u
others-what = U kunt ze meteen lezen. U hoeft geen code meer in te vullen.
message-files = Bijlagen
message-file = bijlage { $number }
message-pdf = Bewaren als PDF
message-pdf-what = De tekst van het hele gesprek, om te bewaren of af te drukken. Bijlagen downloadt u apart.
pdf-title = { $subject } ({ $organisation })
pdf-files = Bijlagen bij dit bericht
pdf-file = { $name } ({ $size })
pdf-note = Bewaard op { $moment } van de website van { $organisation }. Dit is de tekst, zonder opmaak.
pdf-cut = Dit bericht is te lang voor deze PDF. Het hele bericht staat op de website.
pdf-page = Pagina { $page }
message-original = Bericht downloaden
message-original-what = Als e-mailbestand (.eml), { $size }.
message-logout = Uitloggen
message-idle =
    { $minutes ->
        [one] Wij loggen u uit als u 1 minuut niets doet.
       *[other] Wij loggen u uit als u { $minutes } minuten niets doet.
    }
session-warning = Over 2 minuten loggen wij u uit.
session-extend-why = U heeft een tijdje niets gedaan. Wilt u verder lezen?
session-extend = Verlengen
session-last = U bent al lang ingelogd. Verlengen kan niet meer. Open daarna de link in uw e-mail opnieuw.
kind-image = Afbeelding
kind-mail = E-mail
kind-text = Tekst
kind-winmail = Outlook-bestand
kind-signature = Digitale handtekening
kind-encrypted = Versleutelde e-mail
kind-calendar = Afspraak
advice-winmail = Dit maakt het programma Outlook. Kunt u het niet openen? Vraag de afzender om de bijlage los te sturen.
advice-signature = Hiermee kan een e-mailprogramma nagaan van wie het bericht komt. U hoeft hier niets mee te doen.
advice-encrypted = U heeft een e-mailprogramma met uw eigen sleutel nodig om dit te openen. Download dan het hele bericht.
advice-calendar = Download de afspraak om hem in uw agenda te zetten.
message-view = Bekijken
nested-files = Wilt u deze bijlagen openen? Download dan de hele e-mail.
nested-cut = Deze e-mail is te lang om hier helemaal te laten zien. Download de e-mail om alles te lezen.

## An appointment in the message

calendar-invites = Afspraak: { $what }
calendar-cancels = Gaat niet door: { $what }
calendar-answers = Antwoord op een afspraak: { $what }
calendar-untitled = zonder titel
calendar-when = Wanneer
calendar-elsewhere = In de tijdzone van de afspraak ({ $zone }): { $time }
calendar-zone = { $time } (tijdzone: { $zone })
calendar-day = { $day }, hele dag
calendar-days = { $first } tot en met { $last }
calendar-times = { $day }, { $from } tot { $until } uur
calendar-time = { $day }, { $from } uur
calendar-between = { $from } uur tot { $until } uur
calendar-repeats = Deze afspraak komt vaker terug. Hier staat de eerste keer.
calendar-where = Waar
calendar-host = Van
calendar-guests = Genodigd
calendar-more =
    { $count ->
        [one] en nog 1 ander
       *[other] en nog { $count } anderen
    }
calendar-save = Afspraak downloaden
calendar-save-what = Open het bestand om de afspraak in uw agenda te zetten.

## Is this mail genuine?

page-genuine = Is mijn e-mail echt?
genuine-title = Is uw e‑mail echt?
genuine-intro = Heeft u een e-mail gekregen van { $organisation } met de knop ‘Open bericht’? Hier kunt u nakijken of die e-mail van ons is.
genuine-label = Kenmerk
genuine-help = U vindt het kenmerk onderaan de e-mail. Het heeft 8 letters en cijfers, bijvoorbeeld K7QF-2M9D.
genuine-button = Nakijken
genuine-no-reference = Dit is geen kenmerk. Vul de 8 letters en cijfers in.
genuine-yes = Ja, deze e-mail is van ons.
genuine-yes-what = { $organisation } heeft een e-mail met dit kenmerk gestuurd op { $sent }, aan { $recipient }. Is dat uw e-mailadres niet, of kreeg u de e-mail op een andere dag? Bel ons dan voordat u ergens op klikt.
genuine-unknown = Dit kenmerk kennen wij niet.
genuine-unknown-what = Misschien zit er een typefout in. Of het bericht is verlopen of ingetrokken. Twijfelt u? Klik dan nergens op en bel ons.
genuine-later = Er is te vaak gezocht. Probeer het over 10 minuten opnieuw, of bel ons.
genuine-how = Zo herkent u een echte e-mail van ons
genuine-how-address = Na een klik op de knop begint het adres bovenin uw scherm met { $origin }/
genuine-how-code = U heeft een code nodig om het bericht te openen. Wij vragen nooit om een wachtwoord, bankgegevens of een betaling.
genuine-how-nothing = In de e-mail zelf staat geen vertrouwelijke informatie, en er zit geen bijlage bij.
genuine-doubt = Twijfelt u nog? Klik dan nergens op en bel met de afzender, op een nummer dat u al kent.
genuine-doubt-phone = Twijfelt u nog? Klik dan nergens op en bel ons:

## Answering, below the message

answer-title = Beantwoorden
answer-yours = Uw antwoord
answer-label = Uw antwoord aan { $sender }
answer-most = Hoogstens { $file } per bestand, en { $total } samen.
answer-files-most =
    { $most ->
        [one] Hoogstens 1 bestand.
       *[other] Hoogstens { $most } bestanden.
    }
answer-add = Bijlage toevoegen
answer-remove = Verwijderen
answer-send = Versturen
answer-keep = Bewaren voor later
answer-discard = Weggooien
answer-kept = Wij bewaren uw antwoord voor u. Het is nog niet verstuurd.
answer-saved = Bewaard. Uw antwoord is nog niet verstuurd.
answer-busy = Uw bijlage wordt geüpload. Een moment.
answer-failed = Dat lukte niet. Controleer uw verbinding en probeer het opnieuw.
answer-sent = Verstuurd.
answer-sent-below = Uw antwoord staat hieronder.
answer-state-sent = verstuurd
answer-state-delivered = bezorgd bij de afzender
answer-state-checking = verstuurd; wij controleren de bijlagen eerst op virussen
answer-state-infected = niet bezorgd
answer-infected = In het bestand { $file } zit volgens onze controle een virus. Daarom hebben wij dit antwoord niet bezorgd. Stuur het opnieuw zonder dat bestand.
answer-state-elsewhere = bezorgd in een andere mailbox van de organisatie
answer-state-lost = niet bezorgd, bel met de afzender
answer-empty = Schrijf eerst een antwoord, of voeg een bijlage toe.
answer-text-long = Uw tekst is te lang. Hoogstens { $most } tekens. Maak uw tekst korter.
answer-file-large = Het bestand { $file } is te groot. Een bestand mag hoogstens { $size } zijn.
answer-total-large = Met het bestand { $file } erbij worden uw bijlagen te groot. Samen mogen ze hoogstens { $size } zijn.
answer-files-many = Het bestand { $file } kan er niet meer bij.
answer-stale = De pagina stond te lang open. Druk nog een keer op de knop.
answer-merged = U schreef dit antwoord ook in een ander venster. De bijlagen van allebei staan hieronder. Controleer uw antwoord en druk dan nog een keer op de knop.
answer-today = U heeft vandaag al veel antwoorden verstuurd. Uw antwoord blijft bewaard. Probeer het morgen weer, of bel met de afzender.
answer-no-room = Er is nu geen ruimte voor het bestand { $file }. Probeer het later opnieuw. Uw tekst blijft bewaard.
answer-ended = U was te lang weg, en daarom is uw antwoord niet verstuurd. Hieronder staat uw tekst. Kopieer die, open het bericht opnieuw met de link in uw e-mail, en plak uw tekst in het antwoord.

## Pages that only say something: a title and what to do

home-title = Hier leest u beveiligde berichten
home-text = Heeft u een e-mail gekregen met de knop ‘Open bericht’? Klik op die knop. Dan komt u bij uw bericht. U heeft uw toegangscode nodig.
gone-title = Dit bericht is hier niet te vinden
gone-text = Misschien is de link niet helemaal overgenomen. Of het bericht is verlopen of ingetrokken. Open de link in uw e-mail opnieuw. Lukt dat niet? Bel dan met de afzender.
expired-title = Dit bericht is verlopen
expired-text = U kunt dit bericht niet meer lezen. De tijd om het te lezen is voorbij en het is verwijderd. Heeft u het nog nodig? De afzender kan het opnieuw sturen.
recalled-title = Dit bericht is ingetrokken
recalled-text = De afzender heeft dit bericht teruggenomen. U kunt het niet meer lezen. Heeft u vragen? Bel dan met de afzender.
ended-title = U bent niet ingelogd
ended-text = Dat gebeurt als u een tijdje niets doet, of als u heeft uitgelogd. Wilt u het bericht lezen? Open de link in uw e-mail opnieuw.
restarted-title = Vul uw code nog een keer in
restarted-text = Wij hebben deze website opnieuw gestart. Dit bericht is extra beveiligd. Daarom moet u daarna uw code opnieuw invullen. Open de link in uw e-mail opnieuw.
logged-out-title = U bent uitgelogd
logged-out-text = Wilt u het bericht nog een keer lezen? Open dan de link in uw e-mail opnieuw.
not-found-title = Deze pagina bestaat niet
not-found-text = Controleer het adres, of open de link in uw e-mail opnieuw.
no-part-title = Deze bijlage is er niet
no-part-text = Ga terug naar het bericht en kies de bijlage opnieuw.
no-view-title = Deze bijlage kunt u hier niet bekijken
no-view-text = Het bestand lijkt geen afbeelding te zijn, of het is beschadigd. Verwacht u deze bijlage niet? Bel dan eerst met de afzender. Bij het bericht kunt u de bijlage downloaden.
refused-title = Dit kan zo niet
refused-text = Open de link in uw e-mail opnieuw en probeer het nog een keer.
too-large-title = Dit is te veel tekst
too-large-text = Ga terug en vul alleen uw toegangscode in.
busy-title = Het is nu erg druk
busy-text = Probeer het over een minuut opnieuw. Uw bericht blijft bewaard.
broken-title = Er ging iets mis bij ons
broken-text = Uw bericht blijft bewaard. Probeer het over een paar minuten opnieuw. Blijft het misgaan? Bel ons dan.

## Every mail

mail-greeting = Geachte heer of mevrouw,
mail-greeting-name = Beste { $name },
mail-from = { $organisation } (veilig mailen)
mail-recipient = { $name } ({ $address })

## Mail: the notice to the recipient. mail-notice-short is the paragraph below a notice in the other language.

mail-notice-subject = Beveiligd bericht van { $sender }, { $organisation }
mail-notice-subject-nameless = Beveiligd bericht van { $organisation }
mail-notice-who = { $sender } van { $organisation } heeft u een beveiligd bericht gestuurd. U leest het op onze eigen website.
mail-notice-open = Open bericht
mail-notice-address = Dit is het adres van uw bericht:
mail-notice-code = U opent het bericht met uw toegangscode. De afzender geeft u die code per post, telefonisch of persoonlijk. U kunt het bericht lezen tot en met { $until }.
mail-notice-sms = U opent het bericht met een code van 6 cijfers. Die sturen wij per sms naar uw telefoon als u daarom vraagt. U kunt het bericht lezen tot en met { $until }.
mail-notice-mail = U opent het bericht met een code van 6 cijfers. Die mailen wij naar dit e-mailadres als u daarom vraagt. U kunt het bericht lezen tot en met { $until }.
mail-notice-again = U kreeg al eerder een e-mail over dit bericht. Daarna heeft de afzender veranderd hoe u het opent. U kunt het nu openen.
mail-notice-strict = Dit bericht is extra beveiligd. Bewaar deze e-mail en uw code goed: zonder die twee kan niemand het bericht openen, ook wij niet.
mail-notice-genuine = Twijfelt u of deze e-mail echt is? Controleer dat de adresbalk begint met { $page }/ of bel ons: { $phone }. Het kenmerk van uw bericht is { $reference }. Dat kunt u nakijken op { $page }/echt.
mail-notice-short = { $sender } van { $organisation } heeft u een beveiligd bericht gestuurd. Open het met de knop en uw toegangscode. U kunt het lezen tot en met { $until }. Twijfelt u of deze e-mail echt is? Controleer dat de adresbalk begint met { $page }/ of bel ons: { $phone }.
mail-notice-short-sms = { $sender } van { $organisation } heeft u een beveiligd bericht gestuurd. Open het met de knop en een code die wij u per sms sturen. U kunt het lezen tot en met { $until }. Twijfelt u of deze e-mail echt is? Controleer dat de adresbalk begint met { $page }/ of bel ons: { $phone }.
mail-notice-short-mail = { $sender } van { $organisation } heeft u een beveiligd bericht gestuurd. Open het met de knop en een code die wij u mailen als u daarom vraagt. U kunt het lezen tot en met { $until }. Twijfelt u of deze e-mail echt is? Controleer dat de adresbalk begint met { $page }/ of bel ons: { $phone }.

## Mail: the access code, to the sender

mail-code-subject = Toegangscode voor { $recipient }
mail-code-first = Uw beveiligde bericht aan { $recipient } staat klaar. De ontvanger opent het met deze toegangscode:
mail-code-new = Er is een nieuwe toegangscode voor { $recipient }. De oude code werkt niet meer. Dit is de nieuwe:
mail-code-new-strict = Er is een nieuwe toegangscode voor { $recipient }. Extra beveiligde berichten die u al had gestuurd, openen alleen met de code van toen. Voor alle andere berichten geldt deze nieuwe code:
mail-code-give = Geef de code zelf door: telefonisch, persoonlijk of per post. { $warning }
mail-code-not-by-mail = Stuur deze code niet per e-mail.
mail-code-aloud = Dit kunt u aan de telefoon voorlezen:
mail-code-aloud-text = ‘U heeft een e-mail gekregen van { $organisation }, met de knop Open bericht. U opent het bericht met de toegangscode { $code }. Schrijf de code op: u heeft hem vaker nodig.’
mail-code-keep = De code geldt ook voor uw volgende beveiligde berichten aan deze ontvanger. Bewaar deze e-mail: wij kunnen de code niet opnieuw laten zien.
mail-code-lost = Is de code kwijt, of kent een ander hem? Vraag dan uw beheerder om een nieuwe code, met de opdracht { $command }. De oude code werkt daarna niet meer.
mail-code-lost-strict = Uw berichten aan deze ontvanger zijn extra beveiligd. Is de code kwijt? Dan kan niemand die berichten nog openen, ook wij niet. Vraag dan uw beheerder om een nieuwe code, met de opdracht { $command }. Stuur uw berichten daarna opnieuw. Kent een ander de code? Vraag uw beheerder dan ook om die berichten in te trekken.

## Mail: too many wrong codes, to the sender

mail-closed-subject = Gesloten: uw bericht aan { $recipient }
mail-closed-what = Er is te vaak een verkeerde code ingevuld bij uw beveiligde bericht van { $date } aan { $recipient }. Daarom is het bericht gesloten. Niemand kan het nu openen, ook niet met de juiste code.
mail-closed-call = Misschien vergiste de ontvanger zich. Misschien probeerde een ander het. Bel de ontvanger op een nummer dat u al kent en vraag het na.
mail-closed-unlock = Was het de ontvanger zelf? Vraag dan uw beheerder om het bericht weer open te zetten, met deze opdracht:
mail-closed-new-code = Weet de ontvanger de code niet meer? Vraag dan ook om een nieuwe code, met de opdracht { $command }.
mail-closed-new-code-strict = Dit bericht is extra beveiligd. Weet de ontvanger de code niet meer, en u ook niet? Dan kan niemand het nog openen. Vraag uw beheerder dan om een nieuwe code, met de opdracht { $command }. Stuur het bericht daarna opnieuw.
mail-closed-stranger = Was het de ontvanger niet? Laat het bericht dan gesloten en meld het bij uw beheerder. Het kenmerk is { $reference }.

## Mail: a notice that could not be delivered, to the sender

mail-code-failed-subject = Niet aangekomen: de toegangscode voor { $recipient }
mail-code-failed-what = Vanaf { $mailbox } is een beveiligd bericht gestuurd aan { $recipient }. De e-mail met de toegangscode is niet bij de afzender aangekomen. Zonder die code kan de ontvanger het bericht niet openen.
mail-code-failed-do = Kijk na of de mailbox van de afzender werkt. Uw beheerder maakt daarna een nieuwe code met { $command }.
mail-undeliverable-subject = Niet aangekomen: uw bericht aan { $recipient }
mail-undeliverable-what = U stuurde op { $date } een beveiligd bericht aan { $recipient }. De e-mail waarmee de ontvanger het bericht opent, is niet aangekomen. De ontvanger weet dus nog van niets.
mail-undeliverable-unknown = Waarschijnlijk bestaat het adres niet, of is het verkeerd geschreven.
mail-undeliverable-full = De mailbox van de ontvanger is vol.
mail-undeliverable-refused = De mailserver van de ontvanger weigert deze e-mail.
mail-undeliverable-unreachable = Wij hebben het vaak geprobeerd, maar de mailserver nam de e-mail niet aan.
mail-undeliverable-ended = Het bericht was al verlopen voordat de mailserver de e-mail aannam.
mail-undeliverable-answer = Dit was het laatste antwoord:
mail-undeliverable-do = Controleer het adres of bel de ontvanger. Stuur uw bericht daarna opnieuw. Klopt het adres? Vraag dan uw beheerder om hulp. Het kenmerk is { $reference }.

## Mail: what the recipient asks for on the page, to the sender

mail-asked-number-subject = Telefoonnummer klopt niet: uw bericht aan { $recipient }
mail-asked-number-what = { $recipient } meldt dat het telefoonnummer niet klopt bij uw beveiligde bericht van { $date }. De sms met de code gaat naar { $number }. De ontvanger kan het bericht zo niet openen.
mail-asked-number-do = Vraag de ontvanger zelf om het juiste nummer. Bel daarvoor een nummer dat u al kent: ook een ander kan dit hebben gemeld. Geef het nummer dan door aan uw beheerder, voor deze opdracht:
mail-asked-number-tag = Of stuur de ontvanger een nieuw bericht met { $tag } vooraan in het onderwerp. Dan geldt het nieuwe nummer ook voor dit bericht.
mail-asked-code-subject = Geen toegangscode: uw bericht aan { $recipient }
mail-asked-code-what = { $recipient } heeft geen toegangscode of is hem kwijt. Het gaat om uw beveiligde bericht van { $date }.
mail-asked-code-do = Heeft u de code nog? Geef hem dan zelf door, telefonisch of persoonlijk. Bel daarvoor een nummer dat u al kent: ook een ander kan dit hebben gevraagd. Stuur de code niet per e-mail.
mail-asked-code-new = Heeft u de code niet meer? Vraag dan uw beheerder om een nieuwe, met deze opdracht:
mail-asked-code-new-strict = Dit bericht is extra beveiligd. Heeft u de code niet meer? Dan kan niemand het nog openen. Vraag dan uw beheerder om een nieuwe code en stuur het bericht daarna opnieuw:
mail-asked-mail-subject = Geen code ontvangen: uw bericht aan { $recipient }
mail-asked-mail-what = { $recipient } krijgt de e-mail met de code niet. Het gaat om uw beveiligde bericht van { $date }.
mail-asked-mail-do = Bel de ontvanger op een nummer dat u al kent: ook een ander kan dit hebben gemeld. Klopt het e-mailadres? Vraag dan uw beheerder om een toegangscode, met deze opdracht. U krijgt de code per e-mail en geeft hem zelf door, telefonisch of persoonlijk:
mail-asked-other-subject = Liever op een andere manier: uw bericht aan { $recipient }
mail-asked-other-sms = { $recipient } opent uw beveiligde bericht van { $date } nu met een code per sms, en wil liever een toegangscode.
mail-asked-other-code = { $recipient } opent uw beveiligde bericht van { $date } nu met een toegangscode, en wil liever een code per sms.
mail-asked-other-mail = { $recipient } opent uw beveiligde bericht van { $date } nu met een code per e-mail, en wil liever een toegangscode.
mail-asked-other-do = U beslist. Er is nog niets veranderd. Overleg met de ontvanger, op een nummer dat u al kent: ook een ander kan dit hebben gevraagd. Wilt u het aanpassen? Vraag dit dan aan uw beheerder, met deze opdracht:
mail-asked-again-subject = Verzoek om uw bericht aan { $recipient } opnieuw te sturen
mail-asked-again-expired = { $recipient } wil uw beveiligde bericht van { $date } nog lezen. Dat kan niet meer: het bericht is verlopen en verwijderd.
mail-asked-again-recalled = { $recipient } wil uw beveiligde bericht van { $date } nog lezen. Dat kan niet meer: het bericht is ingetrokken. Ga eerst na of het voor deze ontvanger bedoeld was.
mail-asked-again-do = U beslist. Wilt u dat de ontvanger het alsnog leest? Stuur het bericht dan opnieuw, als nieuwe vertrouwelijke e-mail. Wij hebben het zelf niet meer. Twijfelt u? Bel de ontvanger op een nummer dat u al kent: ook een ander kan dit hebben gevraagd.
mail-asked-reference = Het kenmerk van het bericht is { $reference }.

## Mail: no SMS comes, to the sender

mail-sms-subject = Geen sms: uw bericht aan { $recipient }
mail-sms-what = { $recipient } wilde uw beveiligde bericht van { $date } openen en vroeg om een code per sms. Die sms komt niet.
mail-sms-number = Naar het nummer { $number } kan geen sms.
mail-sms-late = De sms naar { $number } is niet aangekomen. Misschien klopt het nummer niet, of stond de telefoon lang uit.
mail-sms-number-do = Vraag de ontvanger om het juiste nummer. Bel daarvoor een nummer dat u al kent. Geef het dan door aan uw beheerder, voor deze opdracht:
mail-sms-ours = Het nummer is { $number }. De sms kon bij ons niet worden verstuurd. Dat ligt niet aan de ontvanger en niet aan het nummer.
mail-sms-ours-do = Vraag uw beheerder wat er aan de hand is. De ontvanger kan het later nog een keer proberen. Kan dat niet wachten? Met deze opdracht krijgt de ontvanger een toegangscode in plaats van een sms:

## Mail: a one-time code by mail does not arrive, to the sender

mail-once-failed-subject = Geen code: uw bericht aan { $recipient }
mail-once-failed-what = { $recipient } wilde uw beveiligde bericht van { $date } openen en vroeg om een code per e-mail. Die e-mail komt niet.
mail-once-failed-refused = De mailserver van de ontvanger neemt hem niet aan. Misschien is de mailbox vol, of bestaat het adres niet meer.
mail-once-failed-ours = De e-mail kon bij ons niet worden verstuurd. Dat ligt niet aan de ontvanger.
mail-once-failed-refused-do = Bel de ontvanger op een nummer dat u al kent. Vraag uw beheerder om een toegangscode, met deze opdracht. U krijgt de code per e-mail en geeft hem zelf door, telefonisch of persoonlijk:
mail-once-failed-ours-do = Vraag uw beheerder wat er aan de hand is. De ontvanger kan het later nog een keer proberen. Kan dat niet wachten? Met deze opdracht krijgt u een toegangscode, die u zelf doorgeeft:

## Mail: the one-time code, to the recipient. mail-once-short is the paragraph in the other language.

mail-once-subject = Uw code voor het bericht van { $sender }
mail-once-what = Met deze code opent u het beveiligde bericht van { $sender } van { $organisation }:
mail-once-until = Vul de code in op de pagina waar u erom vroeg. Dat kan tot { $until } uur. Geef de code aan niemand, ook niet aan ons.
mail-once-asked = De code is gevraagd op { $asked } uur, op onze website. Het kenmerk van het bericht is { $reference }.
mail-once-stranger = Was u dat niet? Gebruik de code dan niet en bel ons: { $phone }. Misschien heeft een ander de link naar uw bericht.
mail-once-short = Met de code hierboven opent u het beveiligde bericht van { $sender } van { $organisation }. Dat kan tot { $until } uur. Heeft u er niet om gevraagd? Gebruik de code dan niet en bel ons: { $phone }.

## SMS

sms-code = { $organisation }: uw code is { $code }. Geef deze code aan niemand.
sms-test = { $organisation }: dit is een proefbericht. U hoeft niets te doen.

## Mail: an answer that was written on the page, to the sender

mail-answer-from = { $name } (via veilig mailen)
mail-answer-from-address = { $local } bij { $domain } (via veilig mailen)
mail-answer-below =
    Dit is het antwoord van { $writer } op uw beveiligde bericht van { $date }. Het is geschreven op de website van { $organisation }.
    Wilt u reageren? Dat kan nog niet met de knop Beantwoorden. Stuur een nieuwe vertrouwelijke e-mail aan { $writer }.

## Mail: an answer that did not arrive, to who wrote it

mail-answer-notice-subject = Er is een antwoord op uw beveiligde bericht
mail-answer-notice-what = Er is een antwoord op het beveiligde bericht dat u op { $date } via { $organisation } stuurde.
mail-answer-notice-where = Uw e-mailadres is niet van { $organisation }. Daarom sturen wij u het antwoord zelf niet. Het staat in een mailbox van { $organisation }. Bel om het te krijgen: { $phone }.
mail-answer-lost-subject = Uw antwoord aan { $sender }
mail-answer-lost-what = U schreef op { $date } een antwoord aan { $sender }. Dat antwoord is niet in de mailbox van de afzender aangekomen.
mail-answer-lost-passed = Wij hebben uw antwoord wel bezorgd in een andere mailbox van { $organisation }. Heeft uw antwoord haast? Bel dan met { $sender }: { $phone }.
mail-answer-lost-call = { $organisation } heeft uw antwoord dus niet gelezen. Bel met { $sender }: { $phone }. Uw antwoord staat nog bij het bericht op onze website.
mail-answer-infected-what = U schreef op { $date } een antwoord aan { $sender }. In een bijlage daarvan zit volgens onze controle een virus. Daarom hebben wij uw antwoord niet bezorgd. De afzender heeft er niets van gekregen.
mail-answer-infected-next = Op onze website staat bij uw antwoord om welk bestand het gaat. U kunt opnieuw antwoorden zonder dat bestand. Lukt dat niet? Bel met { $sender }: { $phone }.
mail-answer-lost-reference = Het kenmerk van het bericht is { $reference }.
